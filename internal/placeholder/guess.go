package placeholder

import (
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// How much a sign says of a value's form.
const (
	hinted  = iota + 1 // by the names of variable and key
	named              // by the key of a place that takes nothing else
	defined            // by the default beside it
	exact              // by the text around it, or a field whose type is known
)

// vote is the form that a place asks for.
type vote struct {
	form   Form
	weight int
}

func (v vote) more(than vote) bool {
	return v.form != String && (v.weight > than.weight || v.weight == than.weight && v.form > than.form)
}

// words splits a name at case, dashes, dots and underscores, in lower case.
func words(name string) []string {
	var out []string
	var b []rune
	flush := func() {
		if len(b) > 0 {
			out = append(out, strings.ToLower(string(b)))
			b = b[:0]
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
			continue
		case unicode.IsUpper(r) && i > 0 && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsUpper(runes[i-1]) && unicode.IsLower(runes[i+1])):
			flush()
		}
		b = append(b, r)
	}
	flush()
	return out
}

// byWord are the forms that words of a name suggest, the strongest first.
var byWord = []struct {
	form  Form
	words []string
}{
	{Base64, []string{"b64", "base64"}},
	{CIDR, []string{"cidr", "cidrs", "subnet", "subnets", "cidrblock"}},
	{IPRange, []string{"iprange", "ranges"}},
	{MAC, []string{"mac", "macaddress", "hwaddr"}},
	{UUID, []string{"uuid", "guid"}},
	{Email, []string{"email", "mail", "emails"}},
	{URL, []string{"url", "uri", "endpoint", "webhook", "issuer", "urls"}},
	{Timezone, []string{"tz", "timezone"}},
	{Cron, []string{"cron", "schedule", "crontab"}},
	{Duration, []string{"interval", "duration", "timeout"}},
	{Port, []string{"port", "nodeport"}},
	{Int, []string{"replicas", "puid", "pgid", "uid", "gid", "count"}},
	{ASN, []string{"asn"}},
	{Host, []string{"domain", "domains", "host", "hostname", "hostnames", "fqdn", "dns", "zone"}},
	{IP, []string{"ip", "ips", "ipv4", "vip", "addr", "ipaddress"}},
	{True, []string{"enabled", "enable"}},
	{False, []string{"disabled", "disable"}},
	{Quantity, []string{"capacity", "storagesize"}},
	{KnownHosts, []string{"knownhosts"}},
	{Path, []string{"path", "dir", "mountpath"}},
}

// secretWords are those by which a name is that of a credential, whatever else it speaks of: MAIL_PASSWORD.
var secretWords = []string{"password", "passwd", "pass", "token", "secret", "key", "user", "username", "salt", "hash", "id", "name"}

// byName is the form that the words of a name suggest; the last word says most.
func byName(name string) Form {
	all := words(name)
	if len(all) == 0 {
		return String
	}
	last := all[len(all)-1]
	joined := strings.Join(all, "")
	if strings.HasSuffix(joined, "knownhosts") {
		return KnownHosts
	}
	for _, b := range byWord {
		if slices.Contains(b.words, last) {
			return b.form
		}
	}
	if slices.Contains(secretWords, last) {
		return String
	}
	for _, b := range byWord {
		if b.form == Path || b.form == True || b.form == False || b.form == Int {
			continue // these say something only at the end of a name
		}
		if slices.ContainsFunc(all, func(w string) bool { return slices.Contains(b.words, w) }) {
			return b.form
		}
	}
	return String
}

// byFile are the forms of files and of Secrets' keys that are named like files.
var byFile = []struct {
	form    Form
	pattern string // as path.Match has it
}{
	{DockerConfig, "*.dockerconfigjson"}, {DockerConfig, "*.dockercfg"}, {DockerConfig, "dockerconfig*.json"},
	{Kubeconfig, "*kubeconfig"}, {Kubeconfig, "kubeconfig.*"},
	{PublicKeySSH, "*.pub"}, {PublicKeySSH, "authorized_keys"}, {KnownHosts, "known_hosts"},
	{PrivateKey, "identity"}, {PrivateKey, "ssh-privatekey"}, {PrivateKey, "sshprivatekey"}, {PrivateKey, "id_*"}, {PrivateKey, "*.key"},
	{PrivateKey, "*key.pem"}, {PrivateKey, "*private*key"}, {PrivateKey, "*private*key.*"},
	{Certificate, "*.crt"}, {Certificate, "*.cert"}, {Certificate, "*.cer"}, {Certificate, "*.pem"}, {Certificate, "ca-bundle"}, {Certificate, "cacert"}, {Certificate, "ca"},
	{Document, "*.json"}, {Document, "*.yaml"}, {Document, "*.yml"},
	{Htpasswd, "*htpasswd"}, {Htpasswd, "users"}, {Htpasswd, "auth"},
	{Comment, "*.env"}, {Comment, "*.conf"}, {Comment, "*.cfg"}, {Comment, "*.ini"}, {Comment, "*.toml"}, {Comment, "*.properties"}, {Comment, "*.hcl"},
	{XML, "*.xml"},
	{CertificateBase64, "cabundle"}, {CertificateBase64, "*certificate-authority-data"}, {CertificateBase64, "*client-certificate-data"}, {PrivateKeyBase64, "*client-key-data"},
}

// sealedSuffix are the endings by which files are known to be encrypted.
var sealedSuffix = regexp.MustCompile(`\.(sops|enc|encrypted|age|gpg)$|\.(sops|enc)(\.\w+)$`)

// formOfKey is the form of a whole value by the key it has in a Secret or a file, or by the file's name.
func formOfKey(key string) Form {
	base := strings.ToLower(path.Base(key))
	base = sealedSuffix.ReplaceAllString(base, "$3")
	for _, f := range byFile {
		if ok, err := path.Match(f.pattern, base); err == nil && ok {
			return f.form
		}
	}
	return byName(key)
}

// byType are the forms of the keys of Secrets of a type.
var byType = map[string]map[string]Form{
	"kubernetes.io/tls":                   {"tls.crt": Certificate, "tls.key": PrivateKey, "ca.crt": Certificate},
	"kubernetes.io/dockerconfigjson":      {".dockerconfigjson": DockerConfig},
	"kubernetes.io/dockercfg":             {".dockercfg": Document},
	"kubernetes.io/ssh-auth":              {"ssh-privatekey": PrivateKey},
	"bootstrap.kubernetes.io/token":       {"token-id": TokenID, "token-secret": TokenSecret, "expiration": Time, "usage-bootstrap-authentication": True, "usage-bootstrap-signing": True},
	"kubernetes.io/basic-auth":            {"username": String, "password": String},
	"kubernetes.io/service-account-token": {"ca.crt": Certificate, "token": String},
}

// byDefault is the form of a default that stands in the place of a value.
func byDefault(text string) Form {
	if _, err := netip.ParsePrefix(text); err == nil {
		return CIDR
	}
	if _, err := netip.ParseAddr(text); err == nil {
		return IP
	}
	for form, like := range shapes {
		if like.MatchString(text) {
			return form
		}
	}
	return String
}

// shapes are exclusive of each other. 50m is a duration here: where it is processor time, the field says so.
var shapes = map[Form]*regexp.Regexp{
	URL: regexp.MustCompile(`^[a-z][a-z0-9+]*://`), Email: regexp.MustCompile(`^[^@\s]+@[^@\s]+\.\w+$`), Path: regexp.MustCompile(`^/[\w./-]*$`),
	Int: regexp.MustCompile(`^\d+$`), True: regexp.MustCompile(`^true$`), False: regexp.MustCompile(`^false$`),
	Quantity: regexp.MustCompile(`^\d+(\.\d+)?[KMGTPE]i?$`), Duration: regexp.MustCompile(`^(\d+[hms])+$`),
	MAC: regexp.MustCompile(`^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$`), UUID: regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`),
	Cron: regexp.MustCompile(`^\S+ \S+ \S+ \S+ \S+$`), Host: regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+$`), Name: regexp.MustCompile(`^[a-z]([a-z0-9-]*[a-z0-9])?$`),
}
