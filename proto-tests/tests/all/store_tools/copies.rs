//! Exports, backups and damage.

use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;
use proto_tests::cluster::Cluster;
use proto_tests::front;
use proto_tests::scram::{Hash, is_refused, log_in};
use proto_tests::wire::{Conn, requests};
use proto_tests::{Context, Result, check, check_eq};

use super::{
    HEADER, Scratch, described, empty, export, fails, line, lines, mode, said, says, some_users, spec, store, store_fed,
};
use crate::scram::credential;
use crate::{free, steady};

pub fn trials() -> Vec<Trial> {
    vec![
        free("store_tools::exported_and_imported_is_the_same", exported),
        free("store_tools::what_is_there_is_not_lost_by_an_import", there_already),
        free("store_tools::bad_lines_are_refused_and_nothing_is_made", bad_lines),
        free("store_tools::many_are_imported_in_parts", many),
        free("store_tools::one_flipped_bit_is_damage", flipped),
        free("store_tools::the_place_is_named_or_it_is_refused", places),
        steady("store_tools::beside_a_server", beside_a_server),
        steady("store_tools::an_older_backup_brings_credentials_back", older_backup),
    ]
}

fn exported() -> Result<()> {
    let scratch = Scratch::new("exported");
    let (first, second) = (scratch.path("first"), scratch.path("second"));
    let done = store_fed("import", &first, &[&"-"], &some_users())?;
    says(done, "3 credentials read: 3 new, 0 replaced, 0 skipped, 0 there already")?;
    let file = scratch.path("users.json");
    let told = said(store("export", &first, &[&"--output", &file])?)?;
    check!(told.starts_with("3 credentials, revision "), "{told}");
    check_eq!(mode(&file)?, 0o600, "mode of an export");
    let written = fs::read_to_string(&file).context("read the export")?;
    check_eq!(export(&first)?, written, "on standard output");
    check_eq!(lines(&written), lines(&some_users()), "what went in and came out");
    said(store("import", &second, &[&file])?)?;
    check_eq!(lines(&export(&second)?), lines(&written), "imported anew");
    // A file that is there is not written over.
    fails(&store("export", &first, &[&"--output", &file])?, 1, "users.json: File exists")?;
    // A backup is a store, and so is what is restored from it.
    let (backup, restored) = (scratch.path("backup"), scratch.path("restored"));
    let told = said(store("backup", &first, &[&backup])?)?;
    check!(told.ends_with("3 credentials, revision 2, format 1"), "{told}");
    check_eq!(export(&backup)?, written, "the backup");
    let output = store("restore", &restored, &[&backup])?;
    check!(output.stderr.starts_with("note: revocations may be lost"), "{output:?}");
    check!(said(output)?.ends_with("3 credentials, revision 2, format 1"), "the restored store");
    check_eq!(export(&restored)?, written, "the restored store");
    fails(&store("backup", &first, &[&restored])?, 1, "there is a store already")?;
    fails(&store("restore", &restored, &[&backup])?, 1, "with --replace it is put aside")?;
    // The same once more: nothing is lost.
    let output = store("restore", &restored, &[&backup, &"--replace"])?;
    check_eq!(output.stderr, "", "what a restore of the same says");
    check_eq!(export(&restored)?, written, "restored twice");
    Ok(())
}

fn there_already() -> Result<()> {
    let scratch = Scratch::new("there");
    let (directory, other) = (
        scratch.path("store"),
        scratch.write("other", &[HEADER, &line("alice", 256, 6000), &line("carol", 256, 4096)].concat())?,
    );
    said(store_fed("import", &directory, &[&"-"], &some_users())?)?;
    let before = export(&directory)?;
    for dry in [&["--dry-run"][..], &[]] {
        let mut args: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&other];
        args.extend(dry.iter().map(|flag| flag as &dyn AsRef<std::ffi::OsStr>));
        let want = "1 credential is there already and different: 'alice' (SCRAM-SHA-256). Nothing was changed; choose --skip-existing or \
                    --replace";
        fails(&store("import", &directory, &args)?, 1, want)?;
        check_eq!(export(&directory)?, before, "after a refusal");
    }
    let done = store("import", &directory, &[&other, &"--replace", &"--dry-run"])?;
    let want = "2 credentials read, it would be 1 new, 1 replaced, 0 skipped, 0 there already. Nothing was changed";
    says(done, want)?;
    check_eq!(export(&directory)?, before, "after a dry run");
    let done = store("import", &directory, &[&other, &"--skip-existing"])?;
    says(done, "2 credentials read: 1 new, 0 replaced, 1 skipped, 0 there already")?;
    let done = store("import", &directory, &[&other, &"--replace"])?;
    says(done, "2 credentials read: 0 new, 1 replaced, 0 skipped, 1 there already")?;
    let want = [line("alice", 256, 6000), line("alice", 512, 8192), line("bob", 256, 5000), line("carol", 256, 4096)];
    check_eq!(lines(&export(&directory)?), lines(&[HEADER, &want.concat()].concat()), "in the end");
    Ok(())
}

fn bad_lines() -> Result<()> {
    let scratch = Scratch::new("bad");
    let directory = scratch.path("store");
    let good = line("alice", 256, 4096);
    let refused = |text: &str, want: &str| fails(&store_fed("import", &directory, &[&"-"], text)?, 1, want);
    refused("", "standard input: line 1: no JSON")?;
    refused(&good, "standard input: line 1: expected a header")?;
    refused(&[HEADER, &good, &good].concat(), "line 3: user 'alice' has its SCRAM-SHA-256 in line 2")?;
    refused(&[HEADER, &good, &line("bob", 256, 4095)].concat(), "line 3: user 'bob': fewer than 4096 iterations")?;
    let unknown = good.replace("\"user\"", "\"password\":\"hush\",\"user\"");
    refused(&[HEADER, &unknown].concat(), "line 2: unknown field `password`")?;
    refused(
        &[HEADER, &good.replace("\"version\":1", "\"version\":2")].concat(),
        "line 2: version 2 of its form is not known",
    )?;
    refused(&[HEADER, &good.replace("\"scram\"", "\"acl\"")].concat(), "line 2: its kind \"acl\" is not known")?;
    let header = "{\"kind\":\"header\",\"version\":1,\"records\":2}\n";
    refused(&[header, &good].concat(), "it should have 2 credentials, says its header, and has 1: it is not whole")?;
    fails(&store("import", &directory, &[&scratch.path("none")])?, 1, "none: No such file")?;
    fails(&store("import", &directory, &[&"--kafka-metadata", &scratch.0])?, 1, "no metadata of a KRaft cluster")?;
    check!(!directory.exists(), "{} was made", directory.display());
    Ok(())
}

/// More than one edit holds.
fn many() -> Result<()> {
    let scratch = Scratch::new("many");
    let directory = scratch.path("store");
    let users: String = (0..60_000).map(|n| line(&format!("user-{n:05}"), 256, 4096)).collect();
    let file = scratch.write("many.json", &[HEADER, &users].concat())?;
    let done = store("import", &directory, &[&file])?;
    says(done, "60000 credentials read: 60000 new, 0 replaced, 0 skipped, 0 there already")?;
    check_eq!(lines(&export(&directory)?).len(), 60_000, "credentials");
    let done = store("import", &directory, &[&file])?;
    says(done, "60000 credentials read: 0 new, 0 replaced, 0 skipped, 60000 there already")?;
    Ok(())
}

/// The files of a store that hold what it keeps, or say what that is; but for FORMAT, whose digit can become another release's.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = vec![directory.join("current/ACKNOWLEDGED")];
    for entry in fs::read_dir(directory.join("current/rocksdb")).context("list the store")? {
        let path = entry.context("list the store")?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(".sst") || name.starts_with("MANIFEST") {
            files.push(path);
        }
    }
    Ok(files)
}

fn flipped() -> Result<()> {
    let scratch = Scratch::new("flipped");
    let directory = scratch.path("store");
    said(store_fed("import", &directory, &[&"-"], &some_users())?)?;
    let whole = export(&directory)?;
    says(store("verify", &directory, &[])?, "good: 3 credentials, revision 2, format 1")?;
    let mut damaged = 0;
    for file in files(&directory)? {
        let content = fs::read(&file).context("read a file of the store")?;
        // A few in each file, spread over it.
        for part in [0, 1, 3, 5, 7, 9] {
            let mut flipped = content.clone();
            let at = (content.len() - 1) * part / 9;
            flipped[at] ^= 1 << (part % 8);
            fs::write(&file, flipped).context("damage a file")?;
            let verified = store("verify", &directory, &[])?;
            let exported = store("export", &directory, &[])?;
            if verified.code == Some(0) {
                // A place that nothing depends on.
                check_eq!(exported.ok()?, whole, "byte {at} of {}", file.display());
            } else {
                damaged += 1;
                fails(&verified, 3, "the store is damaged: ")?;
                fails(&exported, 3, "the store is damaged: ")?;
                check!(verified.stderr.contains("doorkeeper store restore"), "{verified:?}");
                let refused = store_fed("import", &directory, &[&"-"], HEADER)?;
                fails(&refused, 3, "the store is damaged: ")?;
            }
        }
        fs::write(&file, content).context("mend a file")?;
    }
    check!(damaged > 10, "only {damaged} flips were noticed");
    check_eq!(export(&directory)?, whole, "mended");
    Ok(())
}

fn places() -> Result<()> {
    let scratch = Scratch::new("places");
    let directory = scratch.path("store");
    fails(&store("verify", &directory, &[])?, 1, "there is no store")?;
    fails(&store("export", &directory, &[])?, 1, "there is no store")?;
    fails(&store("backup", &directory, &[&scratch.path("backup")])?, 1, "there is no store")?;
    fails(&store("restore", &directory, &[&scratch.path("backup")])?, 1, "there is no store")?;
    check!(!directory.exists(), "{} was made", directory.display());
    // Where an import would make one, a dry run makes none.
    empty(&directory)?;
    said(store_fed("import", &directory, &[&"-", &"--dry-run"], &some_users())?)?;
    check_eq!(fs::read_dir(&directory).context("list")?.count(), 0, "files after a dry run");
    said(store_fed("import", &directory, &[&"-"], &some_users())?)?;
    // By the configuration of a server.
    let text =
        |more: &str| format!("listeners=PLAINTEXT://127.0.0.1:9192\nbackend.bootstrap.servers=127.0.0.1:9092\n{more}");
    let with = scratch.write("with.properties", &text(&format!("store.dir={}\n", directory.display())))?;
    let without = scratch.write("without.properties", &text(""))?;
    let by =
        |file: &Path| front::command(&["store", "verify", "--config", file.to_str().ok_or("a path that is text")?]);
    says(by(&with)?, "good: 3 credentials, revision 2, format 1")?;
    fails(&by(&without)?, 1, "without.properties: store.dir is not set")?;
    let neither = front::command(&["store", "verify"])?;
    check_eq!(neither.code, Some(2), "without a place: {neither:?}");
    Ok(())
}

/// The tools that look may look while a server has the store open; those that change are refused.
fn beside_a_server(cluster: &Cluster) -> Result<()> {
    let scratch = Scratch::new("beside");
    let directory = scratch.path("store");
    said(store_fed("import", &directory, &[&"-"], &some_users())?)?;
    let front = spec(&cluster.bootstrap(), &directory)?.start()?;
    let added = credential("new", Hash::Sha512, "secret");
    let reply =
        Conn::login(front.sasl(), "front", "front-secret")?.call(0, &requests::alter_scram(vec![], vec![added]))?;
    check_eq!(reply.results[0].error_code, 0, "{reply:?}");
    let exported = export(&directory)?;
    check_eq!(lines(&exported).len(), 4, "credentials in an export: {exported}");
    said(store("verify", &directory, &[])?)?;
    let backup = scratch.path("backup");
    said(store("backup", &directory, &[&backup])?)?;
    for (command, args) in
        [("import", vec!["-"]), ("restore", vec!["--replace", "BACKUP"]), ("verify", vec!["--accept-loss"])]
    {
        let args: Vec<PathBuf> =
            args.into_iter().map(|arg| if arg == "BACKUP" { backup.clone() } else { arg.into() }).collect();
        let args: Vec<&dyn AsRef<std::ffi::OsStr>> = args.iter().map(|arg| arg as _).collect();
        let want = format!("is in use by another process (pid {})", front.process.pid());
        fails(&store_fed(command, &directory, &args, &some_users())?, 1, &want)?;
    }
    // What was exported and what was backed up describe the same at other doorkeepers.
    let imported = scratch.path("imported");
    said(store_fed("import", &imported, &[&"-"], &exported)?)?;
    let want = described(&front)?;
    check_eq!(want.iter().map(|(user, _)| user.as_str()).collect::<Vec<_>>(), ["alice", "bob", "new"], "users");
    for copy in [imported, backup] {
        let other = spec(&cluster.bootstrap(), &copy)?.start()?;
        check_eq!(described(&other)?, want, "described of {}", copy.display());
        log_in(&mut Conn::open(other.sasl())?, Hash::Sha512, "new", "secret")?;
    }
    Ok(())
}

/// A backup does not know what was removed since, and this is told.
fn older_backup(cluster: &Cluster) -> Result<()> {
    let scratch = Scratch::new("older");
    let (directory, backup) = (scratch.path("store"), scratch.path("backup"));
    let spec = spec(&cluster.bootstrap(), &directory)?;
    let mut front = spec.start()?;
    let change = |deletions, upsertions| {
        let mut conn = Conn::login(front.sasl(), "front", "front-secret")?;
        let reply = conn.call(0, &requests::alter_scram(deletions, upsertions))?;
        check_eq!(reply.results[0].error_code, 0, "{reply:?}");
        Ok::<_, String>(())
    };
    change(vec![], vec![credential("leaver", Hash::Sha256, "secret")])?;
    said(store("backup", &directory, &[&backup])?)?;
    change(vec![requests::deletion("leaver", 1)], vec![])?;
    is_refused(&mut Conn::open(front.sasl())?, Hash::Sha256, "leaver", "secret")?;
    front.process.stop();
    let output = store("restore", &directory, &[&backup, &"--replace"])?;
    check!(output.stderr.starts_with("warning: revocations may be lost: "), "{output:?}");
    let replaced = said(output)?;
    check!(replaced.contains("replaced-1"), "{replaced}");
    let front = spec.start()?;
    log_in(&mut Conn::open(front.sasl())?, Hash::Sha256, "leaver", "secret")?;
    Ok(())
}
