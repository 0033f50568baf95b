/*
 * Every key of devauth.conf. The help texts become comments of
 * "devauth config dump --explain" and of the sample file.
 */
#include "store/config_schema.h"

#include "core/algorithm.h"
#include "core/attr.h"
#include "core/limits.h"
#include "store/config.h"

static const struct da_config_choice remote_choices[] = {
    {"publickey-first", DA_REMOTE_PUBLICKEY_FIRST},
    {"allow", DA_REMOTE_ALLOW},
    {"deny", DA_REMOTE_DENY},
    {NULL, 0},
};

static const struct da_config_choice client_auth_choices[] = {
    {"none", DA_CLIENT_NONE},
    {"client_secret_basic", DA_CLIENT_SECRET_BASIC},
    {"client_secret_post", DA_CLIENT_SECRET_POST},
    {NULL, 0},
};

static const struct da_config_choice algorithm_choices[] = {
    {"RS256", DA_JOSE_ALG_RS256},
    {"PS256", DA_JOSE_ALG_PS256},
    {"ES256", DA_JOSE_ALG_ES256},
    {"ES384", DA_JOSE_ALG_ES384},
    {"EdDSA", DA_JOSE_ALG_EDDSA},
    {NULL, 0},
};

#define GLOBAL(member) offsetof(struct da_config, member)
#define PROFILE(member) offsetof(struct da_profile, member)

const struct da_config_row da_config_global_rows[] = {
    {"default_profile", DA_CONFIG_WORD, GLOBAL(default_profile), "", 0,
	DA_PROFILE_MAX, NULL,
	"The profile for logins whose PAM line names none. Needed only when\n"
	"there are several profiles."},
    {"remote", DA_CONFIG_CHOICE, GLOBAL(remote), "publickey-first", 0, 0,
	remote_choices,
	"Who may start a sign-in over SSH.\n"
	"  publickey-first  only after sshd has checked a key of the account\n"
	"                   (AuthenticationMethods "
	"publickey,keyboard-interactive):\n"
	"                   a stranger cannot make this host send codes\n"
	"  allow            anybody who can reach sshd\n"
	"  deny             nobody; console and sudo only"},
    {"login_deadline", DA_CONFIG_SPAN, GLOBAL(login_deadline_s), "110s", 20,
	DA_LOGIN_DEADLINE_MAX_S, NULL,
	"How long a person has to approve. Keep it below sshd's "
	"LoginGraceTime\n"
	"(120s on Debian). At the console login(1) itself gives up after 60s, "
	"so\n"
	"there 55s is the most."},
    {"account_max_age", DA_CONFIG_SPAN, GLOBAL(account_max_age_s), "30d", 60,
	3660 * 86400L, NULL,
	"How long after a sign-in other methods, SSH keys for instance, go on\n"
	"working without a new one."},
    {"home", DA_CONFIG_PATH, GLOBAL(home), "/home/%u", 2, 200, NULL,
	"Home folder of people; %u is the login name."},
    {"shell", DA_CONFIG_PATH, GLOBAL(shell), "/bin/bash", 2, 200, NULL,
	"Shell of people."},
    {"sshd_shows_text_at_once", DA_CONFIG_BOOL, GLOBAL(sshd_shows_text_at_once),
	"no", 0, 0, NULL,
	"Say yes when sshd is OpenSSH 10.3 or later: it shows the code without "
	"a\n"
	"prompt, so nobody has to press Enter."},
};
const size_t da_config_global_row_count = DA_ARRAY_LEN(da_config_global_rows);

const struct da_config_row da_config_profile_rows[] = {
    {"issuer", DA_CONFIG_HTTPS, PROFILE(issuer), NULL, 1, DA_ISSUER_MAX, NULL,
	"The provider's issuer, exactly as its discovery document spells it."},
    {"client_id", DA_CONFIG_TEXT, PROFILE(client_id), NULL, 1, DA_CLAIM_MAX,
	NULL, "The client that was registered for these hosts."},
    {"client_auth", DA_CONFIG_CHOICE, PROFILE(client_auth), "none", 0, 0,
	client_auth_choices,
	"How the client proves itself: none, client_secret_basic or\n"
	"client_secret_post."},
    {"client_secret_file", DA_CONFIG_PATH, PROFILE(client_secret_file), "", 0,
	DA_URI_MAX, NULL,
	"File with the client secret, owned by root, mode 0600. The secret "
	"itself\n"
	"never stands in this file, which everybody may read."},
    {"client_secret_raw", DA_CONFIG_BOOL, PROFILE(client_secret_raw), "no", 0,
	0, NULL,
	"Say yes for a provider that wants client_secret_basic without the\n"
	"form-encoding of RFC 6749 2.3.1."},
    {"scope", DA_CONFIG_TEXT, PROFILE(scope), "openid profile email", 1,
	DA_DIAG_MAX, NULL, "Scopes to ask for, separated by spaces."},
    {"ca_file", DA_CONFIG_PATH, PROFILE(ca_file), "", 0, DA_URI_MAX, NULL,
	"Trust only the CA certificates in this PEM file (root, not writable "
	"by\n"
	"others). Empty: the system's, /etc/ssl/certs."},
    {"endpoint_hosts", DA_CONFIG_LIST, PROFILE(endpoint_hosts), "", 0,
	DA_HOST_MAX, NULL,
	"Further hosts that the provider's endpoints may be on. Endpoints on "
	"the\n"
	"issuer's own host are always fine."},
    {"allow_loopback", DA_CONFIG_BOOL, PROFILE(allow_loopback), "no", 0, 0,
	NULL,
	"Say yes when the provider runs on this very host. Otherwise addresses "
	"of\n"
	"the host itself and link-local ones are refused, whatever DNS says."},
    {"send_device_name", DA_CONFIG_BOOL, PROFILE(send_device_name), "yes", 0, 0,
	NULL,
	"Send host, account and source as the extra parameter device_name, so "
	"that\n"
	"a provider that knows it can show them before the person approves."},
    {"min_interval", DA_CONFIG_SPAN, PROFILE(min_interval_s), "5s",
	DA_INTERVAL_FLOOR_S, DA_INTERVAL_MAX_S, NULL,
	"Never poll more often than this, even if the provider would allow "
	"it."},
    {"request_timeout", DA_CONFIG_SPAN, PROFILE(request_timeout_s), "10s", 1,
	60, NULL, "Give up on a single request after this time."},
    {"algorithms", DA_CONFIG_FLAGS, PROFILE(algorithms),
	"RS256 PS256 ES256 ES384 EdDSA", 0, 0, algorithm_choices,
	"Signature algorithms that an ID token may use."},
    {"username_claim", DA_CONFIG_WORD, PROFILE(username_claim),
	"preferred_username", 1, DA_GROUP_MAX, NULL,
	"The claim that names the account. It is lower-cased and has to equal "
	"the\n"
	"name that the person logs in as."},
    {"strip_domains", DA_CONFIG_LIST, PROFILE(strip_domains), "", 0,
	DA_HOST_MAX, NULL,
	"Domains that are cut off that claim: with example.com listed,\n"
	"alice@example.com is alice. Any other domain is refused."},
    {"groups_claim", DA_CONFIG_WORD, PROFILE(groups_claim), "groups", 0,
	DA_GROUP_MAX, NULL, "The claim that lists a person's groups."},
    {"allowed_users", DA_CONFIG_LIST, PROFILE(allowed_users), "", 0,
	DA_USER_MAX, NULL,
	"Login names that may log in. A person needs to be in one of the two\n"
	"lists; at least one of the two keys has to be there, and an empty "
	"list\n"
	"allows nobody."},
    {"allowed_groups", DA_CONFIG_LIST, PROFILE(allowed_groups), "", 0,
	DA_GROUP_MAX, NULL,
	"Groups, by the provider's id, whose members may log in."},
};
const size_t da_config_profile_row_count = DA_ARRAY_LEN(da_config_profile_rows);
