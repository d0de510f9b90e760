//! Damaged files: a start either refuses and says what to do, or serves exactly what was acknowledged.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;
use proto_tests::front::Spec;
use proto_tests::ledger::Ledger;
use proto_tests::random::{Random, size_of_run};
use proto_tests::{Context, Result, check, progress, scratch};

use super::{Start, admin, change, files, run, spec, start, stop, try_start, users};
use crate::free;

pub fn trials() -> Vec<Trial> {
    vec![
        free("store_faults::single_bits_flipped", || damaged("bit flips", size_of_run("DOORKEEPER_FLIPS", 40), flip)),
        free("store_faults::files_cut_short_or_gone", || damaged("cuts", size_of_run("DOORKEEPER_CUTS", 20), cut)),
    ]
}

/// What a refusal has to name.
const RECOVERY: &str = "doorkeeper store ";

/// A store as a stop or a kill has left it, and what was acknowledged until then.
struct Copy {
    dir: PathBuf,
    ledger: Ledger,
    how: &'static str,
}

/// Changes a file, and says what it has done.
type Damage = fn(&mut Random, &Path) -> Result<String>;

fn damaged(what: &str, count: usize, damage: Damage) -> Result<()> {
    let mut random = Random::seeded(what);
    let (spec, store) = spec()?;
    let copies = prepare(&spec, &store, &mut random, what)?;
    let (mut served, mut refused, mut wrong) = (0, 0, Vec::new());
    let mut by_file: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    for n in 0..count {
        let copy = &copies[n % copies.len()];
        replace(&copy.dir, &store)?;
        let victim = pick(&mut random, &store)?;
        let done = damage(&mut random, &victim)?;
        let kind = kind(&victim);
        match judge(&spec, copy, &mut random) {
            Ok(did_serve) => {
                served += usize::from(did_serve);
                refused += usize::from(!did_serve);
                by_file.entry(kind).or_default()[usize::from(did_serve)] += 1;
            }
            Err(why) => wrong.push(format!("after a {}, {done}: {why}", copy.how)),
        }
    }
    let table: Vec<String> = by_file.iter().map(|(kind, [no, yes])| format!("{kind} {no}/{yes}")).collect();
    progress(format!(
        "{count} {what}: refused {refused}, served exactly what was acknowledged {served}, wrong {}; refused/served by file: {}",
        wrong.len(),
        table.join(", ")
    ));
    check!(wrong.is_empty(), "{} of {count} {what}:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

/// A store that was stopped and one that was killed, each with creations, changes and deletions in files of several ages.
fn prepare(spec: &Spec, store: &Path, random: &mut Random, what: &str) -> Result<Vec<Copy>> {
    let (mut ledger, mut copies) = (Ledger::default(), Vec::new());
    let names = users("user", 12);
    for how in ["stop", "kill"] {
        let (mut front, _) = start(spec)?;
        change(&mut ledger, &mut admin(&front)?, random, &names, 60)?;
        match how {
            "stop" => stop(&mut front)?,
            _ => front.process.stop(),
        }
        let dir = scratch::dir(&format!("copies-{}", what.replace(' ', "-"))).join(how);
        replace(store, &dir)?;
        copies.push(Copy { dir, ledger: ledger.clone(), how });
    }
    Ok(copies)
}

/// Makes `to` what `from` is, modes included.
fn replace(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to).context(format!("remove {}", to.display()))?;
    }
    run(&["cp", "-a", &from.display().to_string(), &to.display().to_string()]).map(drop)
}

/// A file that is not empty: any byte of the store with the same chance in half of the cases, any file in the other half.
fn pick(random: &mut Random, store: &Path) -> Result<PathBuf> {
    let sized: Vec<(PathBuf, usize)> = files(store)?
        .into_iter()
        .filter_map(|file| Some((file.clone(), file.metadata().ok()?.len() as usize)))
        .filter(|(_, len)| *len > 0)
        .collect();
    if random.below(2) == 0 {
        return Ok(random.pick(&sized).0.clone());
    }
    let mut at = random.below(sized.iter().map(|(_, len)| len).sum());
    for (file, len) in &sized {
        match at.checked_sub(*len) {
            None => return Ok(file.clone()),
            Some(left) => at = left,
        }
    }
    Err("the store has no bytes".into())
}

/// MANIFEST of MANIFEST-000005, .sst of 000012.sst
fn kind(file: &Path) -> String {
    let name = file.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    name.chars().filter(|c| !c.is_ascii_digit()).collect::<String>().trim_end_matches('-').to_owned()
}

fn flip(random: &mut Random, file: &Path) -> Result<String> {
    let mut bytes = fs::read(file).context("read a file of the store")?;
    let (at, bit) = (random.below(bytes.len()), random.below(8));
    bytes[at] ^= 1 << bit;
    fs::write(file, &bytes).context("write a file of the store")?;
    Ok(format!("bit {bit} of byte {at} of {} in {}", bytes.len(), file.display()))
}

fn cut(random: &mut Random, file: &Path) -> Result<String> {
    let len = file.metadata().context("look at a file of the store")?.len();
    if random.below(4) == 0 {
        fs::remove_file(file).context("remove a file of the store")?;
        return Ok(format!("without {}", file.display()));
    }
    let left = random.below(len as usize) as u64;
    let open = fs::File::options().write(true).open(file).context("open a file of the store")?;
    open.set_len(left).context("cut a file of the store")?;
    Ok(format!("{left} of {len} bytes left of {}", file.display()))
}

/// Whether it serves; an error if it does not do so rightly, or refuses without a word of help.
fn judge(spec: &Spec, copy: &Copy, random: &mut Random) -> Result<bool> {
    match try_start(spec)? {
        Start::Refused { code, said, .. } => {
            let helps = code.is_some_and(|c| c != 0) && said.contains(RECOVERY) && !said.contains("panicked");
            if helps { Ok(false) } else { Err(format!("it ends with {code:?} and says {said:?}")) }
        }
        Start::Serves(front, _) => {
            let mut admin = admin(&front)?;
            copy.ledger.judge_all(&mut admin)?;
            copy.ledger.clone().judge(front.sasl(), &mut admin, random, usize::MAX)?;
            Ok(true)
        }
    }
}
