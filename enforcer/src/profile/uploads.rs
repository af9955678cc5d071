// SPDX-License-Identifier: MIT OR Apache-2.0

//! Hosts that take uploads from anybody. Who allows one of them has allowed everybody who has an account there, or
//! needs none.

/// Domains and what they are. A host is one of them if it is the domain or lies below it.
const DOMAINS: &[(&str, &str)] = &[
    ("0x0.st", "a file drop"),
    ("bashupload.com", "a file drop"),
    ("catbox.moe", "a file drop"),
    ("file.io", "a file drop"),
    ("gofile.io", "a file drop"),
    ("temp.sh", "a file drop"),
    ("tmpfiles.org", "a file drop"),
    ("transfer.sh", "a file drop"),
    ("dpaste.com", "a paste site"),
    ("gist.github.com", "a paste site"),
    ("hastebin.com", "a paste site"),
    ("paste.ee", "a paste site"),
    ("pastebin.com", "a paste site"),
    ("rentry.co", "a paste site"),
    ("termbin.com", "a paste site"),
    ("api.telegram.org", "a chat service with webhooks"),
    ("discord.com", "a chat service with webhooks"),
    ("discordapp.com", "a chat service with webhooks"),
    ("hooks.slack.com", "a chat service with webhooks"),
    ("beeceptor.com", "a request collector"),
    ("burpcollaborator.net", "a request collector"),
    ("interact.sh", "a request collector"),
    ("oast.fun", "a request collector"),
    ("oast.live", "a request collector"),
    ("oast.me", "a request collector"),
    ("oast.online", "a request collector"),
    ("oast.pro", "a request collector"),
    ("oast.site", "a request collector"),
    ("oastify.com", "a request collector"),
    ("pipedream.net", "a request collector"),
    ("requestbin.com", "a request collector"),
    ("webhook.site", "a request collector"),
    ("bore.pub", "a tunnel to anywhere"),
    ("loca.lt", "a tunnel to anywhere"),
    ("localhost.run", "a tunnel to anywhere"),
    ("ngrok-free.app", "a tunnel to anywhere"),
    ("ngrok.app", "a tunnel to anywhere"),
    ("ngrok.io", "a tunnel to anywhere"),
    ("serveo.net", "a tunnel to anywhere"),
    ("trycloudflare.com", "a tunnel to anywhere"),
];

/// Domains below which everybody can have a name for the asking.
const HOSTING: &[&str] = &[
    "amazonaws.com",
    "appspot.com",
    "azureedge.net",
    "azurewebsites.net",
    "blogspot.com",
    "cloudapp.net",
    "cloudfront.net",
    "duckdns.org",
    "firebaseapp.com",
    "firebaseio.com",
    "fly.dev",
    "github.io",
    "gitlab.io",
    "glitch.me",
    "herokuapp.com",
    "netlify.app",
    "onrender.com",
    "pages.dev",
    "replit.app",
    "run.app",
    "sslip.io",
    "vercel.app",
    "web.app",
    "windows.net",
    "workers.dev",
];

/// What the names below a domain are, if one of them takes uploads from anybody.
#[must_use]
pub(super) fn open_below(domain: &str) -> Option<String> {
    if let Some(what) = takes_uploads(domain) {
        return Some(what.to_owned());
    }
    let below = |host: &str, domain: &str| {
        host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let within = DOMAINS.iter().find(|(host, _)| below(host, domain));
    if let Some((host, what)) = within {
        return Some(format!("also {host}, {what}"));
    }
    let hosting = HOSTING.iter().any(|hosting| below(domain, hosting) || below(hosting, domain));
    hosting.then(|| "where everybody can have a host".to_owned())
}

/// What a host is, if it takes uploads from anybody.
#[must_use]
pub(super) fn takes_uploads(host: &str) -> Option<&'static str> {
    let below =
        |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    DOMAINS.iter().find(|(domain, _)| below(domain)).map(|(_, what)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_and_what_is_below_them() {
        assert_eq!(takes_uploads("transfer.sh"), Some("a file drop"));
        assert_eq!(takes_uploads("a.b.ngrok.io"), Some("a tunnel to anywhere"));
        assert_eq!(takes_uploads("mytransfer.sh"), None);
        assert_eq!(takes_uploads("github.com"), None);
    }

    #[test]
    fn domains_that_anybody_has_a_part_of() {
        let open = |domain| open_below(domain).unwrap_or_default();
        assert_eq!(open("ngrok.io"), "a tunnel to anywhere");
        assert_eq!(open("slack.com"), "also hooks.slack.com, a chat service with webhooks");
        assert_eq!(open("s3.amazonaws.com"), "where everybody can have a host");
        assert_eq!(open("example.test"), "");
    }
}
