//! The description of the API at `/docs`, on the API's own port: from there, a browser lets the page try its requests.
//!
//! `cargo lambda watch` serves nothing but functions, so this stands in front of it and hands on everything else as it came.

use std::io;
use std::net::TcpListener as StdListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::uri::{Authority, PathAndQuery, Scheme};
use axum::http::{HeaderName, StatusCode, Uri, Version, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::serve::ListenerExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Where the page is.
pub const PATH: &str = "/docs";

/// Headers that are about one connection and not about the request (RFC 9110, section 7.6.1).
const OF_A_CONNECTION: [HeaderName; 3] = [header::CONNECTION, header::UPGRADE, HeaderName::from_static("keep-alive")];

/// Serves the page, and hands on what is asked for elsewhere. Ends when it is dropped.
#[derive(Debug)]
pub struct Front {
    /// Held, not used: dropping it ends the thread.
    _stop: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Behind {
    authority: Authority,
    client: Client<HttpConnector, Body>,
}

impl Front {
    /// Takes the requests that arrive at `listener`; those for the API go to 127.0.0.1 and `port`.
    pub fn start(listener: StdListener, port: u16) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let authority = Authority::try_from(format!("127.0.0.1:{port}")).map_err(io::Error::other)?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let behind = Arc::new(Behind { authority, client });
        let app = Router::new().route(PATH, get(page).fallback(hand_on)).fallback(hand_on).with_state(behind);
        let (stop, stopped) = oneshot::channel::<()>();
        thread::spawn(move || {
            runtime.block_on(async {
                let serving = async {
                    let listener = TcpListener::from_std(listener)?.tap_io(|connection| {
                        let _ = connection.set_nodelay(true);
                    });
                    axum::serve(listener, app).await
                };
                tokio::select! {
                    ended = serving => if let Err(error) = ended {
                        eprintln!("{PATH}: {error}");
                    },
                    _ = stopped => {}
                }
            });
        });
        Ok(Self { _stop: stop })
    }
}

/// The committed page, which `tools/api_page.py` makes.
#[must_use]
pub fn page_path() -> PathBuf {
    crate::workspace().join("docs/api.html")
}

/// Read each time, so that a new one shows without a restart.
async fn page() -> Response {
    match std::fs::read_to_string(page_path()) {
        Ok(text) => {
            let headers = [
                (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                (header::CACHE_CONTROL, "no-cache"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                // The page's own policy can't say this.
                (header::CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"),
            ];
            (headers, text).into_response()
        }
        Err(error) => {
            let text = format!("{}: {error}. Make it by: tools/api_page.py\n", page_path().display());
            (StatusCode::NOT_FOUND, text).into_response()
        }
    }
}

async fn hand_on(State(behind): State<Arc<Behind>>, mut request: Request) -> Response {
    let path = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    let address = Uri::builder().scheme(Scheme::HTTP).authority(behind.authority.clone()).path_and_query(path).build();
    let Ok(address) = address else { return StatusCode::BAD_REQUEST.into_response() };
    *request.uri_mut() = address;
    *request.version_mut() = Version::HTTP_11;
    for name in OF_A_CONNECTION {
        request.headers_mut().remove(name);
    }
    match behind.client.request(request).await {
        Ok(mut answer) => {
            for name in OF_A_CONNECTION {
                answer.headers_mut().remove(name);
            }
            answer.map(Body::new)
        }
        Err(error) => {
            let text = format!("the functions don't answer: {}\n", crate::chain(&error));
            (StatusCode::BAD_GATEWAY, text).into_response()
        }
    }
}
