//! The proxy through which the host itself reaches other machines.

use std::env;
use std::io;

use hyper::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use sandbox_core::{Destination, Upstream};

use crate::event::target;

/// The proxy that the caller's environment names, and for which destinations it is not used.
#[derive(Clone, Default)]
pub struct HostProxy {
    proxy: String,
    except: String,
}

impl HostProxy {
    /// What `HTTPS_PROXY` or `ALL_PROXY`, and `NO_PROXY`, of this process say; in lower case as well, which counts first, as
    /// it does for curl.
    ///
    /// ```
    /// use sandbox_gateway::HostProxy;
    ///
    /// let proxy = HostProxy::from_environment();
    /// ```
    pub fn from_environment() -> Self {
        let first = |names: &[&str]| {
            let mut values = names.iter().filter_map(|name| env::var(name).ok());
            values.find(|value| !value.is_empty()).unwrap_or_default()
        };
        let proxy = first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]);
        Self::new(proxy, first(&["no_proxy", "NO_PROXY"]))
    }

    /// A proxy as `HTTPS_PROXY` has it, and a list as `NO_PROXY` has it.
    pub fn new(proxy: impl Into<String>, except: impl Into<String>) -> Self {
        Self {
            proxy: proxy.into(),
            except: except.into(),
        }
    }

    /// Which connections go through a proxy: that of the rules, or else this one.
    ///
    /// # Errors
    ///
    /// It is none that can be used.
    pub(crate) fn matcher(&self, of_rules: Option<&Upstream>) -> io::Result<Matcher> {
        let proxy = of_rules.map_or_else(|| self.proxy.clone(), Upstream::to_string);
        let matcher = |except: &str| {
            let builder = Matcher::builder().https(proxy.clone());
            builder.no(except.to_owned()).build()
        };
        let is_usable = || {
            let anywhere = Uri::from_static("https://example.com:443");
            let found = matcher("").intercept(&anywhere);
            found.is_some_and(|found| found.uri().scheme_str() == Some("http"))
        };
        if !proxy.is_empty() && !is_usable() {
            let message = "the upstream proxy is not one of HTTP: write `http://HOST:PORT`";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Ok(matcher(&self.except))
    }
}

/// There may be a password in it.
impl std::fmt::Debug for HostProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostProxy")
            .field("is_set", &!self.proxy.is_empty())
            .field("except", &self.except)
            .finish()
    }
}

/// The proxy for a destination, if it is to go through one. What is on this machine wherever it is asked never does.
pub(crate) fn proxy_for(
    matcher: &Matcher,
    destination: &Destination,
    port: u16,
) -> Option<Intercept> {
    let is_here = match destination {
        Destination::Name(name) => name.as_str() == "localhost",
        Destination::Address(address) => address.is_loopback(),
    };
    if is_here {
        return None;
    }
    let uri = format!("https://{}/", target(destination, Some(port)));
    matcher.intercept(&uri.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_one_of_http_or_an_error() {
        for (proxy, is_right) in [
            ("", true),
            ("http://proxy.example:3128", true),
            ("http://ana:secret@proxy.example:3128/", true),
            ("proxy.example:3128", true),
            ("https://proxy.example", false),
            ("socks5://proxy.example:1080", false),
            ("ftp://proxy.example", false),
            ("://", false),
        ] {
            assert_eq!(
                HostProxy::new(proxy, "").matcher(None).is_ok(),
                is_right,
                "{proxy}"
            );
        }
        let shown = format!("{:?}", HostProxy::new("http://ana:secret@proxy", ""));
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn what_is_excepted_or_here_does_not_go_through_it() {
        let proxy = HostProxy::new("http://proxy.example:3128", "corp.example, 10.0.0.0/8");
        let matcher = proxy.matcher(None).unwrap();
        for (destination, goes) in [
            ("example.com", true),
            ("under_score.example", true),
            ("2001:db8::1", true),
            ("corp.example", false),
            ("a.corp.example", false),
            ("acorp.example", true),
            ("10.1.2.3", false),
            ("11.1.2.3", true),
            ("localhost", false),
            ("a.localhost", true),
            ("127.0.0.9", false),
            ("::1", false),
        ] {
            let found = proxy_for(&matcher, &destination.parse().unwrap(), 443);
            assert_eq!(found.is_some(), goes, "{destination}");
        }
        let of_rules = "http://other.example:8080".parse().unwrap();
        let matcher = proxy.matcher(Some(&of_rules)).unwrap();
        let found = proxy_for(&matcher, &"example.com".parse().unwrap(), 22).unwrap();
        assert_eq!(found.uri().to_string(), "http://other.example:8080/");
    }
}
