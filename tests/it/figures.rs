//! How the figures of a soak are made of what was measured.

use stagebox_tests::house::memory::Growth;

#[test]
fn memory_grows_from_the_second_quarter_to_the_last() {
    let flat = Growth::of(&[5.0, 9.0, 30.0, 31.0, 30.0, 90.0, 31.0, 32.0]).unwrap();
    assert_eq!((flat.second_quarter_mib, flat.last_quarter_mib), (31.0, 32.0));
    assert!(flat.is_flat());
    // What is taken at the start, or for a moment, is no growth.
    let leaking: Vec<f64> = (0..400).map(|number| 30.0 + f64::from(number) / 10.0).collect();
    assert!(!Growth::of(&leaking).unwrap().is_flat());
    assert_eq!(Growth::of(&[1.0, 2.0, 3.0]), None);
}
