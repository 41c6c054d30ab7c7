//! The harness on real folders: what is claimed can be contradicted.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use leasehold_papers::folder::Folder;
use leasehold_papers::page::{Provenance, Report, index_line};
use leasehold_papers::paper::Paper;
use leasehold_papers::papers::ALL;
use leasehold_papers::table::{Table, fill};
use leasehold_papers::verdict::{Verdict, judge};
use leasehold_sim::provenance::Build;
use std::fs;
use std::path::{Path, PathBuf};

fn paper(name: &str) -> &'static dyn Paper {
    *ALL.iter().find(|paper| paper.name() == name).expect("the paper exists")
}

fn all_folders() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/papers")
}

fn folder(name: &str) -> Folder {
    Folder::read(&all_folders().join(name)).unwrap_or_else(|error| panic!("{error:#}"))
}

/// A paper's folder with every number of `published.csv` so many times as large.
fn falsified(name: &str, times: f64) -> Folder {
    let from = all_folders().join(name);
    let to = std::env::temp_dir().join(format!("leasehold-{name}-{times}-{}", std::process::id()));
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
    let file = to.join("published.csv");
    let text = fs::read_to_string(&file).unwrap();
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let mut writer = csv::Writer::from_path(&file).unwrap();
    writer.write_record(reader.headers().unwrap()).unwrap();
    for record in reader.records() {
        let mut cells: Vec<String> = record.unwrap().iter().map(str::to_owned).collect();
        if let Ok(y) = cells[3].parse::<f64>() {
            cells[3] = (y * times).to_string();
        }
        writer.write_record(&cells).unwrap();
    }
    writer.flush().unwrap();
    let folder = Folder::read(&to).unwrap();
    fs::remove_dir_all(to).unwrap();
    folder
}

fn run(name: &str, folder: &Folder) -> (Verdict, Table) {
    let table = fill(paper(name), folder, true, 2).unwrap_or_else(|error| panic!("{error:#}"));
    let (verdict, _) = judge(&folder.claim, &table, true).unwrap();
    (verdict, table)
}

#[test]
fn every_paper_has_its_folder_and_every_folder_its_paper() {
    for paper in ALL {
        let folder = folder(paper.name());
        for row in &folder.published {
            assert!(!row.how.is_empty(), "{}: {row:?} does not say where it is from", paper.name());
            assert!(row.y.is_none() || !row.page.is_empty(), "{}: {row:?}", paper.name());
        }
        for statement in &folder.claim.statement {
            assert!(
                folder.published.iter().any(|row| statement.covers(row)),
                "{}: `{}` covers no row",
                paper.name(),
                statement.says
            );
            for series in &statement.series {
                let known = folder.published.iter().any(|row| row.series == *series);
                assert!(known, "{}: no row is of `{series}`", paper.name());
            }
        }
    }
    for entry in fs::read_dir(all_folders()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(ALL.iter().any(|paper| paper.name() == name), "{name} has no code");
    }
}

/// Without this, no verdict would mean anything.
#[test]
fn falsified_numbers_are_refuted() {
    let (verdict, _) = run("ford", &folder("ford"));
    assert_eq!(verdict, Verdict::Reproduced);
    let (verdict, _) = run("ford", &falsified("ford", 2.5));
    assert_eq!(verdict, Verdict::Refuted, "every lifetime is 2.5 times as long");
    let (verdict, _) = run("ford", &falsified("ford", 1.3));
    assert_eq!(verdict, Verdict::ShapeOnly, "three tenths longer, in the same order");
}

#[test]
fn a_sentence_that_its_own_table_contradicts_is_refuted() {
    let (verdict, _) = run("threefs", &folder("threefs"));
    assert_eq!(verdict, Verdict::Refuted);
}

#[test]
fn the_same_comes_out_again_on_any_number_of_threads() {
    let folder = folder("ford");
    let one = fill(paper("ford"), &folder, true, 1).unwrap();
    let three = fill(paper("ford"), &folder, true, 3).unwrap();
    assert_eq!(one.fingerprint, three.fingerprint);
    assert!(one.readings > 0);
}

#[test]
fn a_page_says_what_was_compared_and_why_columns_are_empty() {
    let folder = folder("ford");
    let table = fill(paper("ford"), &folder, true, 2).unwrap();
    let (verdict, judged) = judge(&folder.claim, &table, true).unwrap();
    let build = Build { commit: "c0ffee".to_owned(), sources: "beef".to_owned() };
    let from = Provenance { build, wall_s: 1.0, reduced: true };
    let report = Report {
        name: "ford",
        folder: &folder,
        table: &table,
        verdict,
        judged: &judged,
        from: &from,
    };
    let page = report.markdown();
    assert!(page.contains("**REPRODUCED** (reduced form)") && page.contains("c0ffee"), "{page}");
    assert!(page.contains(&table.fingerprint) && page.contains("Leasehold has no erasure codes"));
    let line = index_line("ford", &page).unwrap();
    assert!(line.contains("(ford.md)") && line.contains("**REPRODUCED**"), "{line}");
    let rows = report.csv().unwrap().lines().count();
    assert_eq!(rows, table.rows.len() + 1);
}

/// The formula on paper and a cluster under simulation, on the fewest rows.
#[cfg(madsim)]
#[test]
fn leases_cost_what_gray_and_cheriton_say_and_not_what_they_do_not() {
    let (verdict, table) = run("gray-cheriton", &folder("gray-cheriton"));
    assert_ne!(verdict, Verdict::Refuted, "{table:?}");
    let (verdict, _) = run("gray-cheriton", &falsified("gray-cheriton", 4.0));
    assert_eq!(verdict, Verdict::Refuted);
}
