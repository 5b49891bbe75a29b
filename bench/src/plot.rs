//! Small plots as SVG, in colours that read on light and on dark pages.

use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const LABEL: f64 = 230.0;
const ROW: f64 = 30.0;
const TOP: f64 = 58.0;
const COLOURS: [&str; 6] = ["#2f6fde", "#e08a1e", "#2a9d6f", "#b5489b", "#7a7f87", "#c4483a"];

/// Bars, each of several parts that follow one another.
pub fn bars(title: &str, unit: &str, parts: &[&str], rows: &[(&str, Vec<f64>)]) -> String {
    let most = rows.iter().map(|(_, values)| values.iter().sum::<f64>()).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let scale = (WIDTH - LABEL - 90.0) / most;
    let height = TOP + ROW * count(rows.len()) + 12.0;
    let mut svg = head(title, height);
    legend(&mut svg, parts);
    for (index, (name, values)) in rows.iter().enumerate() {
        let (y, mut x) = (TOP + ROW * count(index), LABEL);
        text(&mut svg, (LABEL - 8.0, y + 15.0), "end", name);
        for (value, colour) in values.iter().zip(COLOURS) {
            let width = value * scale;
            let _ = writeln!(svg, r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="20" fill="{colour}"/>"#);
            x += width;
        }
        text(&mut svg, (x + 6.0, y + 15.0), "start", &format!("{:.1} {unit}", values.iter().sum::<f64>()));
    }
    svg + "</svg>\n"
}

/// Lines over the same places, by a logarithmic scale.
pub fn lines(title: &str, unit: &str, places: &[String], rows: &[(&str, Vec<f64>)]) -> String {
    const HEIGHT: f64 = 380.0;
    const LEFT: f64 = 70.0;
    let bottom = HEIGHT - 36.0;
    let all = || rows.iter().flat_map(|(_, values)| values.iter().copied()).filter(|value| *value > 0.0);
    let (least, most) = (all().fold(f64::MAX, f64::min).log10().floor(), all().fold(1.0, f64::max).log10().ceil());
    let y = |value: f64| bottom - (value.log10() - least) / (most - least).max(1.0) * (bottom - TOP - 10.0);
    let step = (WIDTH - LEFT - 40.0) / count(places.len().saturating_sub(1)).max(1.0);
    let x = |index: usize| LEFT + step * count(index);
    let mut svg = head(title, HEIGHT);
    legend(&mut svg, &rows.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    let mut decade = least;
    while decade <= most {
        let (value, at) = (10f64.powf(decade), y(10f64.powf(decade)));
        let _ = writeln!(svg, r##"<path d="M{LEFT} {at:.1}H{:.1}" stroke="#888" stroke-opacity=".3"/>"##, WIDTH - 40.0);
        text(&mut svg, (LEFT - 8.0, at + 4.0), "end", &format!("{value} {unit}"));
        decade += 1.0;
    }
    for (index, place) in places.iter().enumerate() {
        text(&mut svg, (x(index), bottom + 22.0), "middle", place);
    }
    for ((_, values), colour) in rows.iter().zip(COLOURS) {
        let points: Vec<_> =
            values.iter().enumerate().map(|(at, value)| format!("{:.1},{:.1}", x(at), y(*value))).collect();
        let points = points.join(" ");
        let _ = writeln!(svg, r#"<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5"/>"#);
    }
    svg + "</svg>\n"
}

fn head(title: &str, height: f64) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<title>{title}</title>\n"
    );
    text(&mut svg, (12.0, 20.0), "start", title);
    svg
}

fn legend(svg: &mut String, names: &[&str]) {
    let mut x = 12.0;
    for (name, colour) in names.iter().zip(COLOURS) {
        let _ = writeln!(svg, r#"<rect x="{x:.0}" y="32" width="11" height="11" fill="{colour}"/>"#);
        text(svg, (x + 16.0, 42.0), "start", name);
        x += 34.0 + 6.6 * count(name.chars().count());
    }
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, r##"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="#7d8590">{text}</text>"##);
}

fn count(length: usize) -> f64 {
    f64::from(u32::try_from(length).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_reaches_the_edge_and_the_others_are_in_proportion() {
        let svg = bars("t", "ms", &["one", "two"], &[("a", vec![30.0, 10.0]), ("b", vec![20.0, 0.0])]);
        let widths: Vec<_> =
            svg.split("height=\"20\"").filter_map(|part| part.rsplit("width=\"").next()?.split('"').next()).collect();
        assert_eq!(widths[..4], ["330.0", "110.0", "220.0", "0.0"]);
        assert!(svg.contains("40.0 ms"));
    }

    #[test]
    fn a_tenfold_value_is_a_decade_higher() {
        let svg = lines("t", "ms", &["128".to_owned(), "256".to_owned()], &[("a", vec![100.0, 10.0])]);
        assert!(svg.contains(r#"points="70.0,68.0 720.0,344.0""#), "{svg}");
    }

    #[test]
    fn a_name_is_text_and_no_markup() {
        assert!(bars("t", "ms", &[], &[("<b>&", vec![1.0])]).contains("&lt;b>&amp;"));
    }
}
