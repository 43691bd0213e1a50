//! No file names a folder of one machine or a host that only some people can reach: nobody else could follow it.

use super::Found;
use crate::workspace::Workspace;

/// Folders at the root of a file system under which a person or a workplace keeps its own things.
const PRIVATE_FOLDERS: [&str; 6] = ["home", "root", "Users", "work", "workspace", "scratch"];
/// Schemes whose addresses name a host.
const SCHEMES: [&str; 9] = ["http", "https", "ssh", "git", "ftp", "rtsp", "mqtt", "ws", "wss"];
/// Last parts of names that only a network of its own can resolve.
const PRIVATE_DOMAINS: [&str; 6] = ["internal", "intranet", "corp", "lan", "local", "localdomain"];

/// What fuzzers made, who know nobody.
const FUZZED: &str = "ci/fuzz/corpus/";

pub fn check(workspace: &Workspace) -> Found {
    let mut found = Vec::new();
    for path in workspace.files()?.into_iter().filter(|path| !path.starts_with(FUZZED)) {
        let contents = workspace.read(&path)?;
        found.extend(private_names(&path, &String::from_utf8_lossy(&contents)));
    }
    Ok(found)
}

fn private_names(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        if let Some(folder) = private_folder(line) {
            found.push(format!("{path}:{line_number} names a place on one machine: {folder}"));
        }
        if let Some(host) = hosts(line).find(|host| is_private(host)) {
            found.push(format!("{path}:{line_number} names a host that is not public: {host}"));
        }
    }
    found
}

/// The private folder that the line has an absolute path into.
fn private_folder(line: &str) -> Option<String> {
    PRIVATE_FOLDERS.iter().map(|folder| format!("/{folder}/")).find(|folder| {
        line.match_indices(folder.as_str()).any(|(start, _)| {
            let (before, path) = line.split_at(start);
            let goes_on = before.ends_with(|c: char| c.is_alphanumeric() || "._-~*}>)$/".contains(c));
            let is_absolute = before.ends_with("file://") || !goes_on;
            let leads_on = path[folder.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '.');
            is_absolute && leads_on
        })
    })
}

/// The hosts of the addresses in the line, without user and port.
fn hosts(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("://").filter_map(move |(start, mark)| {
        let scheme = line[..start].rsplit(|c: char| !c.is_ascii_alphabetic()).next()?;
        let rest = &line[start + mark.len()..];
        let end = rest.find(|c: char| c.is_whitespace() || "/?#\"'`)<>,;".contains(c)).unwrap_or(rest.len());
        let host = rest[..end].rsplit('@').next()?.split(':').next()?;
        SCHEMES.contains(&scheme).then_some(host)
    })
}

fn is_private(host: &str) -> bool {
    let is_written_out = host.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-');
    if host.is_empty() || !is_written_out || host == "localhost" {
        return false;
    }
    if let Ok(address) = host.parse::<std::net::Ipv4Addr>() {
        return address.is_private() || address.is_link_local();
    }
    host.rsplit_once('.').is_none_or(|(_, domain)| PRIVATE_DOMAINS.contains(&domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_into_a_private_folder_is_found() {
        for folder in PRIVATE_FOLDERS {
            for line in [
                format!("/{folder}/someone/photo.jpg"),
                format!("  path = \"/{folder}/x\""),
                format!("file:///{folder}/x"),
            ] {
                let found = private_names("README.md", &format!("fine\n{line}"));
                assert_eq!(found.len(), 1, "{line}");
                assert!(found[0].starts_with("README.md:2 "), "{}", found[0]);
            }
        }
    }

    #[test]
    fn a_folder_of_that_name_elsewhere_is_fine() {
        for folder in PRIVATE_FOLDERS {
            for line in [
                format!("docs/{folder}/page.md"),
                format!("$PREFIX/{folder}/page.md, ${{PREFIX}}/{folder}/x, ~/{folder}/x"),
                format!("https://example.org/{folder}/page"),
                format!("a /{folder}/ of one's own"),
            ] {
                assert_eq!(private_names("a.md", &line), Vec::<String>::new(), "{line}");
            }
        }
    }

    #[test]
    fn a_host_that_is_not_public_is_found() {
        for host in ["builder", "git.team.internal", "10.1.2.3", "192.168.0.7:8080", "me@nas.lan"] {
            for scheme in ["http", "ssh"] {
                let line = format!("see {scheme}://{host}/page)");
                assert_eq!(private_names("a.md", &line).len(), 1, "{line}");
            }
        }
    }

    #[test]
    fn public_hosts_this_machine_and_blanks_to_fill_in_are_fine() {
        for line in [
            "<https://crates.io>, registry+https://github.com/rust-lang/crates.io-index",
            "http://localhost:8080 http://127.0.0.1:{port}/ http://192.0.2.1/",
            "https://{host}/x http://$HOST https://",
            "a word://like this",
        ] {
            assert_eq!(private_names("a.md", line), Vec::<String>::new(), "{line}");
        }
    }
}
