//! The variables by which programs find a proxy.

/// Where programs look for a proxy, with its scheme; twins in lower case, which some read alone.
const PROXIES: [(&str, &str); 7] = [
    ("HTTP_PROXY", "http"),
    ("http_proxy", "http"),
    ("HTTPS_PROXY", "http"),
    ("https_proxy", "http"),
    // Not SOCKS: some who know of it by name alone refuse to start (httpx, on which kits for services of models are built).
    ("ALL_PROXY", "http"),
    ("all_proxy", "http"),
    // For who looks for SOCKS. Its twin would be wget's, which does not speak it.
    ("FTP_PROXY", "socks5h"),
];

/// The variables that say what is reached without a proxy.
///
/// ```
/// assert_eq!(sandbox_gateway::NO_PROXY_VARIABLES, ["NO_PROXY", "no_proxy"]);
/// ```
pub const NO_PROXY_VARIABLES: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The variables that name a proxy, and what they are where it is here: `HOST:PORT`, with what it demands before an `@`.
///
/// ```
/// let variables: Vec<_> = sandbox_gateway::proxy_variables("127.0.0.1:880").collect();
/// assert!(variables.contains(&("https_proxy", "http://127.0.0.1:880".to_owned())));
/// ```
pub fn proxy_variables(authority: &str) -> impl Iterator<Item = (&'static str, String)> + use<> {
    PROXIES
        .map(|(name, scheme)| (name, format!("{scheme}://{authority}")))
        .into_iter()
}
