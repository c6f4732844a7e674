//! Which data folders are refused.

use super::*;
use std::path::Path;

/// A config whose data folders are inside `folder`.
fn with_folders(folder: &Folder, more: &str) -> Config {
    let (data, log) = (folder.path("data"), folder.path("log"));
    let text = format!(
        "clientPort=1\ndataDir={}\ndataLogDir={}\n{more}",
        data.display(),
        log.display()
    );
    fs::create_dir_all(data).expect("created");
    fs::create_dir_all(log).expect("created");
    load(&text)
}

#[test]
fn a_zookeepers_data_is_refused_wherever_it_is() {
    for file in [
        "data/version-2/snapshot.0",
        "log/version-2/log.1f",
        "data/version-2/currentEpoch",
        "data/log.1",
    ] {
        let folder = Folder::with("");
        let config = with_folders(&folder, "");
        assert!(check_data_dir(&config).is_ok());
        let path = folder.path(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("created");
        fs::write(&path, "").expect("written");
        let message = folder.said(&check_data_dir(&config).expect_err(file));
        let inside = Path::new(file).parent().expect("a parent").display();
        assert_eq!(
            message,
            format!(
                "{inside} holds the data of an Apache ZooKeeper, which treekeeper cannot read yet; starting beside it \
                 would look like an empty database. Give an empty folder as dataDir (and dataLogDir) and copy the \
                 znodes over with a client while both servers run, or go on with ZooKeeper. Nothing in the folder \
                 was changed"
            )
        );
    }
}

#[test]
fn our_own_data_may_stand_beside_a_zookeepers() {
    let folder = Folder::with("");
    let config = with_folders(&folder, "");
    fs::create_dir_all(folder.path("data/version-2")).expect("created");
    fs::write(folder.path("data/version-2/snapshot.0"), "").expect("written");
    fs::create_dir_all(config.storage.tree_dir()).expect("created");
    assert!(check_data_dir(&config).is_ok());
}

#[test]
fn a_missing_folder_is_created_only_if_allowed() {
    let folder = Folder::with("");
    let missing = folder.path("missing");
    let text = format!("clientPort=1\ndataDir={}\n", missing.display());
    assert!(check_data_dir(&load(&text)).is_ok());
    let error =
        check_data_dir(&load(&format!("{text}datadir.autocreate=false"))).expect_err("missing");
    assert_eq!(
        folder.said(&error),
        "the data folder missing does not exist, and datadir.autocreate=false forbids creating it"
    );
    assert!(!missing.exists(), "the check changes nothing");
}

#[test]
fn an_empty_folder_becomes_a_database_only_if_allowed() {
    let folder = Folder::with("");
    let config = with_folders(&folder, "db.autocreate=false");
    let error = check_data_dir(&config).expect_err("empty");
    assert_eq!(
        folder.said(&error),
        "the data folder data is empty, and db.autocreate=false forbids a new database in it: restore the data, or \
         create the file data/initialize to allow it"
    );
    fs::write(folder.path("data/initialize"), "").expect("written");
    assert!(check_data_dir(&config).is_ok());
}

#[test]
fn a_data_folder_that_is_a_file_is_said_to_be() {
    let folder = Folder::with("");
    let text = format!(
        "clientPort=1\ndataDir={}\n",
        folder.path("zoo.cfg").display()
    );
    let error = check_data_dir(&load(&text)).expect_err("a file");
    assert_eq!(
        folder.said(&error),
        "cannot read the data folder zoo.cfg: Not a directory (os error 20)"
    );
}
