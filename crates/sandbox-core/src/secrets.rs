//! Known places of credentials, and names of variables that hold them.
//!
//! The lowest layer of every preset that grants something: hidden unless a rule names the path itself or something
//! below it. A rule about a directory above (`"~" = "read"`) or a pattern does not open one.

use std::sync::LazyLock;

use crate::Context;
use crate::files::Looks;
use crate::map::Map;
use crate::table::{Relative, Table};

/// A path that holds credentials.
#[derive(Debug)]
pub(crate) struct SecretPath {
    /// Absolute, or relative to a home.
    pub(crate) path: &'static str,
    pub(crate) looks: Looks,
    pub(crate) reason: &'static str,
}

impl SecretPath {
    /// Whether no other system has it.
    pub(crate) fn is_of_macos(&self) -> bool {
        self.path.starts_with("Library/")
    }
}

impl Relative for SecretPath {
    fn path(&self) -> &'static str {
        self.path
    }
}

/// A variable, or a pattern of names, that holds credentials.
pub(crate) struct SecretVariable {
    pub(crate) name: &'static str,
    pub(crate) reason: &'static str,
}

const fn secret(path: &'static str, reason: &'static str) -> SecretPath {
    SecretPath {
        path,
        looks: Looks::Unreadable,
        reason,
    }
}

/// A file that a tool reads at every start and without which it works, but not if it is unreadable.
const fn emptied(path: &'static str, reason: &'static str) -> SecretPath {
    SecretPath {
        path,
        looks: Looks::Empty,
        reason,
    }
}

const fn variable(name: &'static str, reason: &'static str) -> SecretVariable {
    SecretVariable { name, reason }
}

/// One line an entry: keys, clouds, code hosts and registries, password stores, browsers, chats, wallets, histories,
/// the system.
#[rustfmt::skip]
const PATHS: &[SecretPath] = &[
    secret(".ssh", "private keys, and which hosts they open"),
    secret(".gnupg", "private keys"),
    secret(".pki", "certificates with private keys"),
    secret(".config/age", "private keys"),
    secret(".config/sops", "private keys of age"),
    secret(".config/minisign", "private keys"),
    secret(".minisign", "private keys"),
    secret(".step", "private keys of a certificate authority"),
    secret(".putty", "private keys and hosts"),
    secret(".krb5", "tickets and keytabs"),
    secret(".k5login", "who may log in as the person"),

    secret(".aws", "access keys and session tokens"),
    secret(".azure", "access tokens"),
    secret(".config/gcloud", "access and refresh tokens"),
    secret(".config/doctl", "access token of DigitalOcean"),
    secret(".config/hcloud", "access token of Hetzner"),
    secret(".config/linode-cli", "access token of Linode"),
    secret(".config/scw", "secret key of Scaleway"),
    secret(".config/fly", "access token of Fly"),
    secret(".fly", "access token of Fly"),
    secret(".oci", "private keys of Oracle's cloud"),
    secret(".aliyun", "access keys of Alibaba's cloud"),
    secret(".bluemix", "tokens of IBM's cloud"),
    secret(".config/heroku", "access token of Heroku"),
    secret(".config/netlify", "access token of Netlify"),
    secret(".config/vercel", "access token of Vercel"),
    secret(".local/share/com.vercel.cli", "access token of Vercel"),
    secret(".config/.wrangler", "access token of Cloudflare"),
    secret(".wrangler", "access token of Cloudflare"),
    secret(".cloudflared", "tunnel credentials"),
    secret(".config/ngrok", "tunnel credentials"),
    secret(".ngrok2", "tunnel credentials"),
    secret(".config/stripe", "keys of Stripe"),
    secret(".netlify", "access token of Netlify"),
    secret(".railway", "access token of Railway"),
    secret(".config/fastly", "access token of Fastly"),
    secret(".edgerc", "keys of Akamai"),
    secret(".ovh.conf", "keys of OVH"),
    secret(".config/openstack", "passwords of clouds"),
    secret(".config/exoscale", "keys of Exoscale"),
    secret(".civo.json", "access key of Civo"),
    secret(".vultr-cli.yaml", "access key of Vultr"),
    secret(".linode-cli", "access token of Linode"),
    secret(".twilio-cli", "keys of Twilio"),
    secret(".supabase", "access token of Supabase"),
    secret(".config/turso", "access token of Turso"),
    secret(".config/neonctl", "access token of Neon"),
    secret(".config/planetscale", "access token of PlanetScale"),
    secret(".modal.toml", "access token of Modal"),
    secret(".expo", "a session of Expo"),
    secret(".saml2aws", "how the person signs in to clouds"),
    secret(".granted", "keys of clouds"),
    secret(".tsh", "keys and certificates of Teleport"),
    secret(".chef", "private keys"),
    emptied(".sentryclirc", "access token of Sentry; its tool reads it at every start"),
    secret(".config/configstore/firebase-tools.json", "access token of Firebase"),
    secret(".kube", "cluster credentials"),
    secret(".docker/config.json", "registry credentials"),
    secret(".docker/run", "a door to the daemon of containers"),
    secret(".docker/desktop", "a door to the daemon of containers"),
    secret(".colima", "a door to the daemon of containers, and keys"),
    secret(".lima", "doors to virtual machines, and keys"),
    secret(".orbstack", "a door to the daemon of containers, and keys"),
    secret(".rd", "a door to the daemon of containers"),
    secret(".minikube", "cluster credentials"),
    secret(".config/argocd", "cluster credentials"),
    secret(".argocd", "cluster credentials"),
    secret(".rancher", "cluster credentials"),
    secret(".config/containers/auth.json", "registry credentials"),
    secret(".config/helm", "registry credentials"),
    secret(".terraform.d/credentials.tfrc.json", "access tokens of Terraform's registry"),
    secret(".terraformrc", "access tokens of Terraform's registry"),
    secret(".pulumi", "access tokens of Pulumi"),
    secret(".vault_pass", "password of Ansible's vault"),
    secret(".vault_pass.txt", "password of Ansible's vault"),
    secret(".vault-token", "token of Vault"),
    secret(".config/rclone", "credentials of every remote"),
    secret(".s3cfg", "access keys"),
    secret(".boto", "access keys"),
    secret(".mc", "access keys of MinIO"),
    secret(".passwd-s3fs", "access keys"),
    secret(".smbcredentials", "passwords of shares"),
    secret(".config/borg", "keys of backups"),
    secret(".config/syncthing", "the machine's key"),
    secret(".local/state/syncthing", "the machine's key"),

    secret(".netrc", "passwords by host"),
    secret(".authinfo", "passwords by host"),
    secret(".authinfo.gpg", "passwords by host"),
    secret(".git-credentials", "passwords of git's hosts"),
    secret(".config/git/credentials", "passwords of git's hosts"),
    secret(".config/gh", "access token of GitHub"),
    secret(".config/hub", "access token of GitHub"),
    secret(".config/glab-cli", "access token of GitLab"),
    secret(".config/tea", "access token of Gitea"),
    secret(".circleci/cli.yml", "access token of CircleCI"),
    secret(".subversion/auth", "passwords of repositories"),
    secret(".config/filezilla", "passwords of hosts"),
    secret(".filezilla", "passwords of hosts"),
    secret(".config/Code/User/globalStorage", "tokens of the editor's extensions"),
    secret(".config/Code - Insiders/User/globalStorage", "tokens of the editor's extensions"),
    secret(".config/VSCodium/User/globalStorage", "tokens of the editor's extensions"),
    secret(".config/Cursor/User/globalStorage", "tokens of the editor and its extensions"),
    secret(".config/Windsurf/User/globalStorage", "tokens of the editor and its extensions"),
    secret(".vscode-server/data/User/globalStorage", "tokens of the editor's extensions"),
    secret(".cursor-server/data/User/globalStorage", "tokens of the editor's extensions"),
    secret(".config/JetBrains", "passwords that the editors keep"),
    secret(".config/github-copilot", "access token of Copilot"),
    emptied(".npmrc", "registry tokens; npm reads it at every start"),
    emptied(".yarnrc.yml", "registry tokens; yarn reads it at every start"),
    emptied(".pypirc", "upload tokens; setuptools reads it at every start"),
    emptied(".cargo/credentials", "registry tokens; cargo reads it"),
    emptied(".cargo/credentials.toml", "registry tokens; cargo reads it"),
    secret(".gem/credentials", "upload token"),
    secret(".local/share/gem/credentials", "upload token"),
    emptied(".bundle/config", "registry credentials; bundler reads it at every start"),
    secret(".config/composer/auth.json", "registry credentials"),
    secret(".composer/auth.json", "registry credentials"),
    secret(".m2/settings.xml", "repository passwords"),
    secret(".m2/settings-security.xml", "the password that encrypts the others"),
    secret(".ivy2/.credentials", "repository passwords"),
    secret(".sbt/.credentials", "repository passwords"),
    emptied(".gradle/gradle.properties", "repository passwords and signing keys"),
    secret(".nuget/NuGet/NuGet.Config", "feed passwords"),
    secret(".config/pypoetry/auth.toml", "registry passwords"),
    secret(".config/hatch", "upload tokens"),
    emptied(".hex/hex.config", "keys of Hex; mix reads it at every start"),
    emptied(".cabal/config", "upload password; cabal reads it at every start"),
    emptied(".config/pip/pip.conf", "addresses with passwords; pip reads it at every start"),
    emptied(".pip/pip.conf", "addresses with passwords; pip reads it at every start"),
    secret(".huggingface", "access token"),
    secret(".cache/huggingface/token", "access token"),
    secret(".kaggle", "access token"),
    secret(".config/wandb", "access token"),
    secret(".config/openai", "access key"),
    secret(".claude/.credentials.json", "access token of an agent"),
    secret(".codex/auth.json", "access token of an agent"),
    secret(".gemini/oauth_creds.json", "access token of an agent"),
    secret(".qwen/oauth_creds.json", "access token of an agent"),
    secret(".iflow/oauth_creds.json", "access token of an agent"),
    secret(".factory/auth.json", "access token of an agent"),
    secret(".local/share/opencode/auth.json", "access token of an agent"),
    secret(".local/share/crush/crush.json", "access keys of an agent"),
    secret(".local/share/amazon-q", "access token of an agent"),
    secret(".grok/user-settings.json", "access key of an agent"),
    secret(".config/io.datasette.llm/keys.json", "access keys of models"),
    secret(".ollama/id_ed25519", "a private key"),
    secret(".wakatime.cfg", "access key"),
    secret(".pgpass", "database passwords"),
    secret(".my.cnf", "database password"),
    secret(".mylogin.cnf", "database passwords"),
    secret(".config/snowflake", "database credentials"),
    secret(".snowsql", "database credentials"),
    secret(".dbt", "database credentials"),
    secret(".databrickscfg", "access tokens of Databricks"),
    secret(".databricks", "access tokens of Databricks"),

    secret(".password-store", "passwords"),
    secret(".local/share/pass", "passwords"),
    secret(".local/share/gopass", "passwords"),
    secret(".local/share/keyrings", "the desktop's passwords"),
    secret(".local/share/kwalletd", "the desktop's passwords"),
    secret(".gnome2/keyrings", "the desktop's passwords"),
    secret(".1password", "a door to the agent of 1Password"),
    secret(".config/op", "sessions of 1Password"),
    secret(".config/1Password", "vaults of 1Password"),
    secret(".config/Bitwarden", "vaults of Bitwarden"),
    secret(".config/Bitwarden CLI", "vaults of Bitwarden"),
    secret(".config/rbw", "vaults of Bitwarden"),
    secret(".local/share/rbw", "vaults of Bitwarden"),
    secret(".lastpass", "vaults of LastPass"),
    secret(".local/share/lpass", "vaults of LastPass"),
    secret(".config/keepassxc", "where vaults are, and their key files"),
    secret(".config/Yubico", "challenge secrets"),
    secret(".google_authenticator", "one-time password secret"),

    secret("Library/Keychains", "passwords and private keys, on macOS"),
    secret("Library/Cookies", "cookies, on macOS"),
    secret("Library/Safari", "history and data of sites, on macOS"),
    secret("Library/Mail", "mail, on macOS"),
    secret("Library/Messages", "messages, on macOS"),
    secret("Library/Containers", "data of confined applications, on macOS"),
    secret("Library/Group Containers", "data of confined applications, on macOS"),
    secret("Library/Application Support/1Password", "passwords, on macOS"),
    secret("Library/Application Support/Bitwarden", "passwords, on macOS"),
    secret("Library/Application Support/BraveSoftware", "cookies and passwords, on macOS"),
    secret("Library/Application Support/Chromium", "cookies and passwords, on macOS"),
    secret("Library/Application Support/Code/User/globalStorage", "tokens of extensions, on macOS"),
    secret("Library/Application Support/Firefox", "cookies and passwords, on macOS"),
    secret("Library/Application Support/Google/Chrome", "cookies and passwords, on macOS"),
    secret("Library/Application Support/Microsoft Edge", "cookies and passwords, on macOS"),
    secret("Library/Application Support/Signal", "messages, on macOS"),
    secret("Library/Application Support/Slack", "cookies and messages, on macOS"),
    secret("Library/Application Support/com.vercel.cli", "access token, on macOS"),
    secret("Library/Application Support/discord", "cookies and messages, on macOS"),
    secret("Library/Application Support/doctl", "access token of DigitalOcean, on macOS"),
    emptied("Library/Application Support/pip/pip.conf", "addresses with passwords, on macOS; pip reads it at every start"),
    secret("Library/Application Support/sops", "private keys of age, on macOS"),
    secret("Library/Preferences/netlify", "access token, on macOS"),
    secret(".mozilla", "cookies and passwords"),
    secret(".thunderbird", "mail and passwords"),
    secret(".config/google-chrome", "cookies and passwords"),
    secret(".config/google-chrome-beta", "cookies and passwords"),
    secret(".config/chromium", "cookies and passwords"),
    secret(".config/BraveSoftware", "cookies and passwords"),
    secret(".config/microsoft-edge", "cookies and passwords"),
    secret(".config/vivaldi", "cookies and passwords"),
    secret(".config/opera", "cookies and passwords"),
    secret(".librewolf", "cookies and passwords"),
    secret(".waterfox", "cookies and passwords"),
    secret("snap/firefox", "cookies and passwords"),
    secret("snap/chromium", "cookies and passwords"),
    secret(".var/app", "data of sandboxed desktop programs, browsers among them"),
    secret(".config/Slack", "session tokens"),
    secret(".config/discord", "session tokens"),
    secret(".config/Signal", "messages and their key"),
    secret(".local/share/TelegramDesktop", "messages and session"),
    secret(".config/Element", "messages and session"),
    secret(".purple", "chat passwords"),
    secret(".local/share/evolution", "mail"),
    secret(".config/evolution", "mail passwords"),
    secret(".msmtprc", "mail passwords"),
    secret(".mbsyncrc", "mail passwords"),
    secret(".fetchmailrc", "mail passwords"),
    secret(".offlineimaprc", "mail passwords"),

    secret(".bitcoin", "wallets"),
    secret(".ethereum", "wallets"),
    secret(".electrum", "wallets"),
    secret(".monero", "wallets"),
    secret(".config/solana", "wallets"),
    secret(".config/Exodus", "wallets"),
    secret(".config/Ledger Live", "wallets"),

    secret(".bash_history", "what was typed, passwords too"),
    secret(".zsh_history", "what was typed, passwords too"),
    secret(".zhistory", "what was typed, passwords too"),
    secret(".history", "what was typed, passwords too"),
    secret(".local/share/fish/fish_history", "what was typed, passwords too"),
    secret(".local/share/atuin", "what was typed, passwords too"),
    secret(".python_history", "what was typed"),
    secret(".node_repl_history", "what was typed"),
    secret(".irb_history", "what was typed"),
    secret(".psql_history", "what was typed, passwords too"),
    secret(".mysql_history", "what was typed, passwords too"),
    secret(".sqlite_history", "what was typed"),
    secret(".rediscli_history", "what was typed, passwords too"),
    secret(".lesshst", "what was searched"),
    secret(".viminfo", "registers and what was typed"),
    secret(".local/state/nvim/shada", "registers and what was typed"),

    secret(".Xauthority", "the key to the display"),
    secret(".ICEauthority", "the key to the session manager"),
    secret(".config/pulse/cookie", "the key to the sound server"),

    secret("/etc/shadow", "password hashes"),
    secret("/etc/shadow-", "password hashes"),
    secret("/etc/gshadow", "password hashes"),
    secret("/etc/gshadow-", "password hashes"),
    secret("/etc/sudoers", "who may become whom"),
    secret("/etc/sudoers.d", "who may become whom"),
    secret("/etc/security/opasswd", "hashes of earlier passwords"),
    secret("/etc/ssl/private", "private keys"),
    secret("/etc/pki/tls/private", "private keys"),
    secret("/etc/letsencrypt", "private keys"),
    secret("/etc/krb5.keytab", "the host's key"),
    secret("/etc/wireguard", "private keys"),
    secret("/etc/openvpn", "private keys and passwords"),
    secret("/etc/NetworkManager/system-connections", "passwords of networks"),
    secret("/etc/wpa_supplicant", "passwords of networks"),
    secret("/etc/ppp/chap-secrets", "passwords"),
    secret("/etc/cups/subscriptions.conf", "passwords of printers"),
    secret("/etc/docker/key.json", "the host's key"),
    secret("/etc/kubernetes", "cluster credentials"),
    secret("/etc/rancher", "cluster credentials"),
    secret("/etc/ssh/ssh_host_rsa_key", "the host's key"),
    secret("/etc/ssh/ssh_host_ecdsa_key", "the host's key"),
    secret("/etc/ssh/ssh_host_ed25519_key", "the host's key"),
    secret("/etc/ssh/ssh_host_dsa_key", "the host's key"),
    secret("/var/lib/sss", "cached credentials"),
    secret("/var/lib/systemd/credential.secret", "the key to the host's credentials"),
    secret("/var/lib/NetworkManager", "keys of networks"),
    secret("/var/spool/cron", "what runs as other people"),
    secret("/var/lib/lxd/unix.socket", "a door to the daemon of containers, which is root"),
    secret("/var/snap/lxd/common/lxd/unix.socket", "a door to the daemon of containers, which is root"),
    secret("/var/lib/incus/unix.socket", "a door to the daemon of containers, which is root"),
    secret("/run/docker.sock", "a door to the daemon of containers, which is root"),
    secret("/var/run/docker.sock", "a door to the daemon of containers, which is root"),
    secret("/run/podman/podman.sock", "a door to the daemon of containers, which is root"),
    secret("/run/containerd/containerd.sock", "a door to the daemon of containers, which is root"),
    secret("/run/crio/crio.sock", "a door to the daemon of containers, which is root"),
    secret("/run/libvirt/libvirt-sock", "a door to the daemon of virtual machines, which is root"),
    secret("/var/spool/mail", "mail"),
    secret("/var/mail", "mail"),
];

/// Hidden as a whole from everybody whose home is not in it.
static ROOT_HOME: SecretPath = secret("/root", "the home of the superuser");

/// Of every policy that needs a gateway. Whoever finds nothing in it asks the machine itself, and so the gateway: glibc, musl,
/// Go, c-ares. With the host's `search` list every name would be asked for under each of the host's domains, too.
pub(crate) static RESOLVERS: SecretPath = emptied(
    "/etc/resolv.conf",
    "the host's resolvers and domains; the gateway answers for every name",
);

/// Of every policy that needs a gateway: what reads it asks nobody, so that no rule by name would hold.
pub(crate) static HOSTS: SecretPath = SecretPath {
    path: "/etc/hosts",
    looks: Looks::Hosts,
    reason: "the host's names for other machines; the gateway finds them",
};

/// One line an entry: general words, code hosts, clouds, services, doors to agents of the host. Names are compared without
/// regard to case.
#[rustfmt::skip]
pub(crate) const VARIABLES: &[SecretVariable] = &[
    variable("*TOKEN", "access tokens"),
    variable("*_TOKEN_*", "access tokens"),
    variable("*SECRET*", "secrets"),
    variable("*PASSWORD*", "passwords"),
    variable("*PASSWD*", "passwords"),
    variable("*PASSPHRASE*", "passphrases"),
    variable("*_PASS", "passwords"),
    variable("*_PW", "passwords"),
    variable("*_PWD", "passwords"),
    variable("*STOREPASS*", "passwords of key stores"),
    variable("*CREDENTIAL*", "credentials, or where they are"),
    variable("*CREDS*", "credentials, or where they are"),
    variable("*_KEY", "keys"),
    variable("ID_RSA", "a private key"),
    variable("ID_ED25519", "a private key"),
    variable("*JWT*", "signed tokens"),
    variable("*BEARER*", "access tokens"),
    variable("AUTHORIZATION", "an access token"),
    variable("*SERVICE_ACCOUNT*", "keys of clouds"),
    variable("*API_KEY*", "keys of services"),
    variable("*APIKEY*", "keys of services"),
    variable("*ACCESS_KEY*", "keys of clouds"),
    variable("*PRIVATE_KEY*", "private keys"),
    variable("*SIGNING_KEY*", "private keys"),
    variable("*ENCRYPTION_KEY*", "keys"),
    variable("*MASTER_KEY*", "keys"),
    variable("*MNEMONIC*", "the words that make the keys of a wallet"),
    variable("*SEED_PHRASE*", "the words that make the keys of a wallet"),
    variable("*_AUTH", "credentials of registries and proxies"),
    variable("*_AUTH_*", "credentials of registries and proxies"),
    variable("*COOKIE*", "sessions"),
    variable("*_DSN", "addresses with passwords"),
    variable("*CONNECTION_STRING*", "addresses with passwords"),
    variable("*DATABASE_URL*", "addresses with passwords"),
    variable("*_WEBHOOK*", "addresses that are passwords"),
    variable("*_PAT", "personal access tokens"),
    variable("MONGO*_URI", "addresses with passwords"),
    variable("MONGO*_URL", "addresses with passwords"),
    variable("REDIS*_URL", "addresses with passwords"),
    variable("*BROKER_URL", "addresses with passwords"),
    variable("RABBITMQ_URL", "an address with a password"),
    variable("AMQP_URL", "an address with a password"),
    variable("CLOUDAMQP_URL", "an address with a password"),
    variable("POSTGRES*_URL", "addresses with passwords"),
    variable("MYSQL*_URL", "addresses with passwords"),
    variable("AWS_*", "keys of a cloud, and which account"),
    variable("AZURE_*", "keys of a cloud"),
    variable("ARM_*", "keys of a cloud, for Terraform"),
    variable("GOOGLE_APPLICATION_CREDENTIALS", "where the keys of a cloud are"),
    variable("CLOUDSDK_*", "keys of a cloud"),
    variable("OCI_*", "keys of a cloud"),
    variable("TF_VAR_*", "inputs of Terraform, where secrets are usual"),
    variable("VAULT_*", "where Vault is, and its token"),
    variable("KUBECONFIG*", "where cluster credentials are"),
    variable("KUBE_CONFIG*", "cluster credentials"),
    variable("FASTLANE_SESSION", "a session of a store for programs"),
    variable("DOCKER_CONFIG", "where registry credentials are"),
    variable("DOCKER_HOST", "a door to the host's daemon"),
    variable("CONTAINER_HOST", "a door to the host's daemon"),
    variable("GH_*", "GitHub's tool"),
    variable("NPM_CONFIG__AUTH*", "credentials of a registry"),
    variable("npm_config_//*", "credentials of a registry"),
    variable("BUNDLE_*__*", "credentials of a registry, by its host"),
    variable("CARGO_REGISTRIES_*", "where registries are, and their tokens"),
    variable("PIP_INDEX_URL", "an address with a password"),
    variable("PIP_EXTRA_INDEX_URL", "an address with a password"),
    variable("UV_INDEX*", "addresses with passwords"),
    variable("TWINE_*", "credentials of a registry"),
    variable("PGPASSFILE", "where database passwords are"),
    variable("MYSQL_PWD", "a database password"),
    variable("SSHPASS", "a password"),
    variable("RESTIC_*", "where backups are, and their password"),
    variable("RCLONE_*", "credentials of remotes"),
    variable("BORG_PASS*", "the password of backups"),
    variable("OP_SESSION_*", "a session of 1Password"),
    variable("BW_SESSION", "a session of Bitwarden"),
    variable("SOPS_*", "keys, or where they are"),
    variable("AGE_*", "keys, or where they are"),
    variable("KRB5CCNAME", "where tickets are"),
    variable("SSH_AUTH_SOCK", "a door to the ssh agent"),
    variable("SSH_AGENT_PID", "the ssh agent"),
    variable("SSH_ASKPASS*", "a program that asks for passwords"),
    variable("SSH_CONNECTION", "where the person sits"),
    variable("SSH_CLIENT", "where the person sits"),
    variable("GIT_ASKPASS", "a program that hands out passwords"),
    variable("SUDO_ASKPASS", "a program that hands out passwords"),
    variable("VSCODE_GIT_*", "a door to the editor's credentials"),
    variable("VSCODE_IPC_HOOK*", "a door to the editor"),
    variable("GPG_AGENT_INFO", "a door to the gpg agent"),
    variable("GNOME_KEYRING_*", "a door to the desktop's passwords"),
    variable("DBUS_SESSION_BUS_*", "a door to every service of the session"),
    variable("XDG_RUNTIME_DIR", "where the doors of the session are"),
    variable("XDG_SESSION_*", "the session"),
    variable("WAYLAND_DISPLAY", "a door to the display"),
    variable("WAYLAND_SOCKET", "a door to the display"),
    variable("DISPLAY", "a door to the display"),
    variable("XAUTHORITY", "the key to the display"),
    variable("ICEAUTHORITY", "the key to the session manager"),
    variable("SESSION_MANAGER", "a door to the session manager"),
    variable("PULSE_*", "a door to the sound server"),
    variable("NOTIFY_SOCKET", "a door to the service manager"),
    variable("LISTEN_*", "descriptors that are not passed on"),
    variable("TMUX*", "a door to the terminal multiplexer, which types into other windows"),
    variable("STY", "a door to the terminal multiplexer"),
    variable("ZELLIJ*", "a door to the terminal multiplexer"),
    variable("KITTY_*", "a door to the terminal"),
    variable("WEZTERM_*", "a door to the terminal"),
    variable("NVIM*", "a door to the editor"),
    variable("EMACS_SOCKET_NAME", "a door to the editor"),
    variable("JUPYTER_*", "a door to the notebook server"),
    variable("SYSTEMD_EXEC_PID", "the service manager"),
    variable("INVOCATION_ID", "the service manager"),
    variable("CREDENTIALS_DIRECTORY", "where the service manager put secrets"),
];

/// The secrets of the machine.
pub(crate) fn of_host(context: &Context) -> impl Iterator<Item = &'static SecretPath> {
    let homes = context.all_homes();
    let is_root_home = homes.iter().any(|home| home.starts_with(ROOT_HOME.path));
    let root_home = (!is_root_home).then_some(&ROOT_HOME);
    let of_host = PATHS.iter().filter(|secret| secret.path.starts_with('/'));
    of_host.chain(root_home)
}

/// The secret of a home at this path, relative to the home.
pub(crate) fn at(relative: &[u8]) -> Option<&'static SecretPath> {
    static INDEX: LazyLock<Map<&[u8], &SecretPath>> = LazyLock::new(|| {
        let all = of_home().all().iter();
        all.map(|secret| (secret.path.as_bytes(), *secret))
            .collect()
    });
    INDEX.get(relative).copied()
}

/// The secrets of a home, relative to it.
pub(crate) fn of_home() -> &'static Table<SecretPath> {
    static OF_HOME: LazyLock<Table<SecretPath>> = LazyLock::new(|| {
        let is_of_home = |secret: &&SecretPath| !secret.path.starts_with('/');
        let mut secrets: Vec<_> = PATHS.iter().filter(is_of_home).collect();
        let directory = |path: &'static str| path.rsplit_once('/').map_or("", |(above, _)| above);
        secrets.sort_by_key(|secret| (directory(secret.path), secret.path));
        Table::new(secrets)
    });
    &OF_HOME
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_entry_has_a_reason_and_is_there_once() {
        let mut names: Vec<_> = PATHS
            .iter()
            .map(|secret| secret.path)
            .chain(VARIABLES.iter().map(|secret| secret.name))
            .collect();
        names.sort_unstable();
        names
            .windows(2)
            .for_each(|pair| assert_ne!(pair[0], pair[1]));
        // What begins with a wildcard would never be found in a list of names.
        assert!(PATHS.iter().all(|secret| !secret.path.starts_with('*')));
        let reasons = PATHS
            .iter()
            .map(|secret| secret.reason)
            .chain(VARIABLES.iter().map(|secret| secret.reason));
        for reason in reasons {
            assert!(!reason.is_empty() && !reason.ends_with('.'), "{reason}");
        }
    }

    #[test]
    fn secrets_of_every_home_are_hidden_and_roots_home_from_others() {
        let mut context = Context::new("/work");
        context.home = Some("/home/ana".into());
        context.homes = vec!["/home/bob".into()];
        let has = |context: &Context, path: &str| {
            let of_homes = context.all_homes().into_iter().flat_map(|home| {
                of_home()
                    .all()
                    .iter()
                    .map(move |secret| home.join(secret.path))
            });
            of_host(context).any(|secret| secret.path == path)
                || of_homes.into_iter().any(|secret| secret == Path::new(path))
        };
        for (path, expected) in [
            ("/home/ana/.ssh", true),
            ("/home/bob/.ssh", true),
            ("/etc/shadow", true),
            ("/root", true),
            ("/root/.ssh", false),
        ] {
            assert_eq!(has(&context, path), expected, "{path}");
        }
        context.homes.push("/root".into());
        assert!(!has(&context, "/root") && has(&context, "/root/.ssh"));
    }
}
