//! Known answers and bounds for whichever implementation is built in, and both against each other where both are.

use super::*;
use crate::password::{MAX_ITERATIONS, MAX_MEMORY_KIB, MAX_PARALLELISM};

const SMALL: Cost = Cost { memory_kib: 32, iterations: 1, parallelism: 1 };

fn input(cost: Cost) -> Input<'static> {
    Input {
        algorithm: Algorithm::Argon2id,
        version: Version::V0x13,
        cost,
        password: b"password",
        salt: b"somesalt",
        secret: &[],
        associated: &[],
    }
}

fn derive(memory: &mut impl Derive, input: &Input<'_>) -> String {
    let mut output = [0; 32];
    bounded(memory, input, &mut output).unwrap();
    output.map(|byte| format!("{byte:02x}")).concat()
}

/// RFC 9106, section 5; version 16's are those of the reference implementation for the same input.
fn keeps_to_the_rfc(memory: &mut impl Derive) {
    use Algorithm::{Argon2d, Argon2i, Argon2id};
    use Version::{V0x10, V0x13};
    for (algorithm, version, expected) in [
        (Argon2d, V0x13, "512b391b6f1162975371d30919734294f868e3be3984f3c1a13a4db9fabe4acb"),
        (Argon2i, V0x13, "c814d9d1dc7f37aa13f0d77f2494bda1c8de6b016dd388d29952a4c4672b6ce8"),
        (Argon2id, V0x13, "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"),
        (Argon2d, V0x10, "96a9d4e5a1734092c85e29f410a45914a5dd1f5cbf08b2670da68a0285abf32b"),
        (Argon2i, V0x10, "87aeedd6517ab830cd9765cd8231abb2e647a5dee08f7c05e02fcb763335d0fd"),
        (Argon2id, V0x10, "b64615f07789b66b645b67ee9ed3b377ae350b6bfcbb0fc95141ea8f322613c0"),
    ] {
        let cost = Cost { memory_kib: 32, iterations: 3, parallelism: 4 };
        let vector = Input {
            algorithm,
            version,
            password: &[1; 32],
            salt: &[2; 16],
            secret: &[3; 8],
            associated: &[4; 12],
            ..input(cost)
        };
        assert_eq!(derive(memory, &vector), expected, "{algorithm} {version:?}");
    }
}

/// Those of the reference implementation's test suite that are in bounds, and more of the same kind; all of them
/// recomputed with it (argon2-cffi 25.1.0).
fn keeps_to_the_reference(memory: &mut impl Derive) {
    let cost = |memory_kib, iterations, parallelism| Cost { memory_kib, iterations, parallelism };
    let usual = input(cost(65_536, 2, 1));
    let small = input(cost(256, 2, 1));
    let (data, first) = (Algorithm::Argon2d, Version::V0x10);
    for (input, expected) in [
        (usual, "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"),
        (small, "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"),
        (input(cost(256, 2, 2)), "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037"),
        (input(cost(65_536, 1, 1)), "f6a5adc1ba723dddef9b5ac1d464e180fcd9dffc9d1cbf76cca2fed795d9ca98"),
        (input(cost(65_536, 4, 1)), "9025d48e68ef7395cca9079da4c4ec3affb3c8911fe4f86d1a2520856f63172c"),
        (
            Input { password: b"differentpassword", ..usual },
            "0b84d652cf6b0c4beaef0dfe278ba6a80df6696281d7e0d2891b817d8c458fde",
        ),
        (Input { salt: b"diffsalt", ..usual }, "bdf32b05ccc42eb15d58fd19b1f856b113da1e9a5874fdcc544308565aa8141c"),
        (
            Input { algorithm: Algorithm::Argon2i, ..small },
            "89e9029f4637b295beb027056a7336c414fadd43f6b208645281cb214a56452f",
        ),
        (Input { algorithm: data, ..small }, "25c4ee8ba448054b49efc804e478b9d823be1f9bd2e99f51d6ec4007a3a1501f"),
        (Input { version: first, ..small }, "da070e576e50f2f38a3c897cbddc6c7fb4028e870971ff9eae7b4e1879295e6e"),
        (
            Input { algorithm: Algorithm::Argon2i, version: first, ..usual },
            "f6c4db4a54e2a370627aff3db6176b94a2a209a62c8e36152711802f7b30c694",
        ),
        (
            Input { algorithm: data, version: first, ..small },
            "bd404868ff00c52e7543c8332e6a772a5724892d7e328d5cf253bbc8e726b371",
        ),
    ] {
        assert_eq!(derive(memory, &input), expected, "{} {:?} {:?}", input.algorithm, input.version, input.cost);
    }
}

fn does_nothing_beyond_the_bounds<M: Derive>() {
    for cost in [
        Cost { memory_kib: MAX_MEMORY_KIB + 1, ..SMALL },
        Cost { memory_kib: u32::MAX, ..SMALL },
        Cost { memory_kib: 7, ..SMALL },
        Cost { memory_kib: 15, parallelism: 2, ..SMALL },
        Cost { iterations: MAX_ITERATIONS + 1, ..SMALL },
        Cost { iterations: 0, ..SMALL },
        Cost { parallelism: MAX_PARALLELISM + 1, ..SMALL },
        Cost { parallelism: 0, ..SMALL },
    ] {
        let (mut memory, mut output) = (M::default(), [7; 32]);
        assert!(matches!(bounded(&mut memory, &input(cost), &mut output), Err(PasswordError::Unusable)), "{cost:?}");
        assert_eq!((memory.kept_kib(), output), (0, [0; 32]), "{cost:?}");
    }
    let short = Input { salt: b"7 bytes", ..input(SMALL) };
    let mut output = [7; 32];
    assert!(matches!(bounded(&mut M::default(), &short, &mut output), Err(PasswordError::Unusable)));
    assert_eq!(output, [0; 32]);
}

fn keeps_its_memory<M: Derive>() {
    let mut memory = M::default();
    let larger = Cost { memory_kib: 4096, ..SMALL };
    memory.reserve(larger).unwrap();
    assert_eq!(memory.kept_kib(), 4096);
    let one = derive(&mut memory, &input(SMALL));
    assert_eq!(memory.kept_kib(), 4096);
    assert_eq!(derive(&mut M::default(), &input(SMALL)), one, "what was there before makes no difference");
    let other = derive(&mut memory, &input(larger));
    assert_eq!(derive(&mut M::default(), &input(larger)), other);
}

#[test]
fn rustcrypto_makes_the_published_outputs() {
    keeps_to_the_rfc(&mut rustcrypto::Memory::default());
    keeps_to_the_reference(&mut rustcrypto::Memory::default());
}

#[test]
fn rustcrypto_is_bounded_and_keeps_its_memory() {
    does_nothing_beyond_the_bounds::<rustcrypto::Memory>();
    keeps_its_memory::<rustcrypto::Memory>();
}

#[test]
fn what_is_built_in_makes_the_published_outputs() {
    let mut argon2 = Argon2::default();
    argon2.reserve(Cost::default()).unwrap();
    assert_eq!(argon2.kept_kib(), 19_456);
    keeps_to_the_rfc(&mut argon2.0);
    assert!(argon2.reserve(Cost { memory_kib: MAX_MEMORY_KIB + 1, ..SMALL }).is_err());
    assert_eq!(argon2.kept_kib(), 19_456);
}

#[cfg(feature = "simd")]
mod both {
    use std::cell::RefCell;
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt as _;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    use super::*;

    #[test]
    fn simd_makes_the_published_outputs() {
        keeps_to_the_rfc(&mut simd::Memory::default());
        keeps_to_the_reference(&mut simd::Memory::default());
    }

    #[test]
    fn simd_is_bounded_and_keeps_its_memory() {
        does_nothing_beyond_the_bounds::<simd::Memory>();
        keeps_its_memory::<simd::Memory>();
    }

    /// Memory is kept from case to case, so that what one leaves would make the next differ.
    #[test]
    fn of_5000_random_inputs_both_derive_the_same() {
        let algorithm = prop::sample::select(vec![Algorithm::Argon2d, Algorithm::Argon2i, Algorithm::Argon2id]);
        let version = prop::sample::select(vec![Version::V0x10, Version::V0x13]);
        let cost = (1_u32..=4, 1_u32..=4, 0_u32..=300).prop_map(|(parallelism, iterations, more)| Cost {
            memory_kib: 8 * parallelism + more,
            iterations,
            parallelism,
        });
        let bytes =
            (vec(any::<u8>(), 0..300), vec(any::<u8>(), 8..64), vec(any::<u8>(), 0..48), vec(any::<u8>(), 0..32));
        let seen = RefCell::new((rustcrypto::Memory::default(), simd::Memory::default(), 0_u32));
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(5000) });
        runner
            .run(&(algorithm, version, cost, bytes, 4_usize..150), |(algorithm, version, cost, bytes, length)| {
                let (password, salt, secret, associated) = &bytes;
                let input = Input { algorithm, version, cost, password, salt, secret, associated };
                let (rustcrypto, simd, cases) = &mut *seen.borrow_mut();
                let (mut one, mut other) = (vec![0; length], vec![0; length]);
                bounded(rustcrypto, &input, &mut one).unwrap();
                bounded(simd, &input, &mut other).unwrap();
                *cases += 1;
                prop_assert_eq!(one, other);
                Ok(())
            })
            .unwrap();
        assert!(seen.borrow().2 >= 5000);
    }

    #[test]
    fn at_costs_that_are_used_both_derive_the_same() {
        let (mut one, mut other) = (rustcrypto::Memory::default(), simd::Memory::default());
        for (memory_kib, iterations, parallelism) in [(19_456, 2, 1), (47_104, 1, 1), (65_536, 3, 4), (7_168, 5, 1)] {
            let input = input(Cost { memory_kib, iterations, parallelism });
            assert_eq!(derive(&mut one, &input), derive(&mut other, &input), "{:?}", input.cost);
        }
    }

    /// A piece of a block in the middle of a derivation's memory, which is not in this process but inverted.
    fn piece_inverted(input: &Input<'_>) -> [u64; 8] {
        let params = argon2::Params::new(input.cost.memory_kib, input.cost.iterations, 1, Some(32)).unwrap();
        let mut blocks = vec![argon2::Block::default(); params.block_count()];
        let argon2 = argon2::Argon2::new(input.algorithm, input.version, params);
        argon2.hash_password_into_with_memory(input.password, input.salt, &mut [0; 32], &mut blocks).unwrap();
        let piece = std::array::from_fn(|word| !blocks[100].as_ref()[word]);
        blocks.iter_mut().zeroize();
        piece
    }

    /// On how many pages that this process may write the inverse of `inverted` is.
    fn found(inverted: &[u64; 8]) -> usize {
        const PAGE: usize = 4096;
        let (maps, memory) = (fs::read_to_string("/proc/self/maps").unwrap(), File::open("/proc/self/mem").unwrap());
        let areas = maps.lines().filter(|line| line.contains(" rw-p ")).map(|line| {
            let (start, end) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
            u64::from_str_radix(start, 16).unwrap()..u64::from_str_radix(end, 16).unwrap()
        });
        let is_piece = |words: &[[u8; 8]]| words.iter().zip(inverted).all(|(a, b)| u64::from_ne_bytes(*a) == !b);
        let has_it = |at: &u64| {
            let mut page = [0; PAGE];
            let read = memory.read_exact_at(&mut page, *at).is_ok();
            read && page.as_chunks::<64>().0.iter().any(|piece| is_piece(piece.as_chunks().0))
        };
        areas.flat_map(|area| area.step_by(PAGE)).filter(has_it).count()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn of_what_a_derivation_wrote_nothing_is_left_in_the_process() {
        // Once on the heap, once in a mapping of its own.
        for memory_kib in [1024, 19_456] {
            let input = Input { password: b"what nobody else derives here", ..input(Cost { memory_kib, ..SMALL }) };
            let inverted = piece_inverted(&input);
            let mut memory = simd::Memory::default();
            derive(&mut memory, &input);
            assert_eq!(memory.kept_kib(), memory_kib as usize);
            assert_eq!(found(&inverted), 0, "{memory_kib}");
            let mut left = vec![0_u64; 16];
            // Blocks begin at a multiple of 64.
            let start = (left.as_ptr().addr().wrapping_neg() % 64) / 8;
            for (place, inverted) in left[start..].iter_mut().zip(&inverted) {
                *place = !inverted;
            }
            let left = std::hint::black_box(left);
            assert_eq!(found(&inverted), 1, "{memory_kib}: the search finds what there is");
            drop(left);
        }
    }
}
