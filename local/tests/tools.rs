//! The installation of cargo-lambda, and ports, without a network.

use std::fs;
use std::net::TcpListener;

use local::progress::Progress;
use local::tools::Tools;
use local::watch;

#[test]
fn what_is_installed_is_not_installed_again() {
    let folder = tempfile::tempdir().unwrap();
    let requirements = folder.path().join("requirements.txt");
    fs::write(&requirements, "no-such-package==1\n").unwrap();
    fs::write(folder.path().join("installed"), "no-such-package==1\n").unwrap();
    let tools = Tools::install_into(folder.path(), &requirements, Progress::silent()).unwrap();
    assert_eq!(tools.cargo_lambda(), folder.path().join("venv/bin/cargo-lambda"));
}

#[test]
fn two_processes_make_one_installation_out_of_an_interrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    let requirements = folder.path().join("requirements.txt");
    // Nothing to install, and so nothing to download.
    fs::write(&requirements, "# newer\n").unwrap();
    fs::write(folder.path().join("installed"), "# older\n").unwrap();
    fs::create_dir_all(folder.path().join("venv/bin")).unwrap();
    fs::write(folder.path().join("venv/half-done"), "").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let tools = Tools::install_into(folder.path(), &requirements, Progress::silent()).unwrap();
                assert!(tools.bin().join("python").exists());
            });
        }
    });
    assert!(!folder.path().join("venv/half-done").exists());
    assert_eq!(fs::read_to_string(folder.path().join("installed")).unwrap(), "# newer\n");
}

#[test]
fn a_failed_installation_leaves_no_stamp_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let requirements = folder.path().join("requirements.txt");
    fs::write(&requirements, "cargo-lambda\n").unwrap();
    let error = Tools::install_into(folder.path(), &requirements, Progress::silent()).unwrap_err();
    assert!(error.to_string().starts_with("pip install failed"), "{error}");
    assert!(!folder.path().join("installed").exists());
}

#[test]
fn a_taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = watch::check_port(port).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("port {port} is taken: stop what listens there, or choose another with --port")
    );
}
