package placeholder

import (
	"crypto/sha1" //nolint:gosec // htpasswd's {SHA}, of a value that is no secret
	"encoding/base64"
	"fmt"
	"strconv"
)

// Form is what a value has to look like.
type Form int

// The forms, from the one that says least to the one that says most: of two that names
// or places suggest, the later one is taken.
const (
	String Form = iota
	Name        // of an object: a DNS-1123 label
	Host
	URL
	Email
	Path
	IP
	IPRange
	CIDR
	MAC
	UUID
	Timezone
	Duration
	Cron
	Quantity
	CPU
	Int
	ASN
	Port
	NodePort
	True
	False
	Time
	IPPrefix    // without its last octet: 192.0.2
	IPPrefixDot // 192.0.2.
	IPHalf      // without its last two octets
	Base64
	Document
	Comment // an empty file of a format in which # begins a comment
	XML
	DockerConfig
	Kubeconfig
	Certificate
	PrivateKey
	CertificateBase64
	PrivateKeyBase64
	PublicKeySSH
	KnownHosts
	Htpasswd
	BasicAuth
	TokenID
	TokenSecret
	DocumentBase64
)

// scalar says whether YAML reads the form as something else than text.
func (f Form) scalar() bool { return f >= Int && f <= Time }

// lines says whether values of the form have several lines.
func (f Form) lines() bool {
	return f == Certificate || f == PrivateKey || f == Kubeconfig || f == Comment || f == XML
}

// render makes a value of a form. Addresses are of the ranges for documentation (RFC 5737, RFC 7042).
func render(f Form, name string) string {
	label := Mark
	if s := slug(name); s != "" {
		label += "-" + s
	}
	host := Mark + ".example"
	if s := slug(name); s != "" {
		host = s + "." + host
	}
	if text, known := fixed[f]; known {
		return text
	}
	switch f {
	case Name:
		return label
	case Host:
		return host
	case URL:
		return "https://" + host
	case Email:
		return "mail@" + host
	case Path:
		return "/" + label
	case IP:
		return "192.0.2." + strconv.Itoa(1+pick(name, 254))
	case IPRange:
		from := 1 + pick(name, 240)
		return fmt.Sprintf("192.0.2.%d-192.0.2.%d", from, from+9)
	case CIDR:
		return fmt.Sprintf("198.51.100.%d/28", 16*pick(name, 16))
	case MAC:
		return fmt.Sprintf("02:00:5e:00:53:%02x", pick(name, 256))
	case UUID:
		return fmt.Sprintf("5ea7f1a1-0000-4000-8000-%012x", pick(name, 1<<31))
	case ASN:
		return strconv.Itoa(64512 + pick(name, 1000))
	case Port:
		return strconv.Itoa(20000 + pick(name, 9000))
	case NodePort:
		return strconv.Itoa(30000 + pick(name, 2768))
	case DockerConfig:
		return fmt.Sprintf(`{"auths":{"%s.example":{"username":"%s","password":"%s","auth":"%s"}}}`, Mark, Mark, Mark, encode(Mark+":"+Mark))
	case Kubeconfig:
		return fmt.Sprintf(kubeconfig, Mark, encode(certificate().cert), Mark)
	case Certificate:
		return certificate().cert
	case PrivateKey:
		return certificate().key
	case CertificateBase64:
		return encode(certificate().cert)
	case PrivateKeyBase64:
		return encode(certificate().key)
	case PublicKeySSH:
		return certificate().ssh + " " + Mark
	case KnownHosts:
		return "* " + certificate().ssh
	case Htpasswd:
		sum := sha1.Sum([]byte(Mark)) //nolint:gosec // as above
		return Mark + ":{SHA}" + base64.StdEncoding.EncodeToString(sum[:])
	}
	return Mark
}

// fixed are the forms that have one value.
var fixed = map[Form]string{
	Timezone: "Etc/UTC", Duration: "1h", Cron: "0 0 * * *", Quantity: "1Gi", CPU: "100m", Int: "1", True: "true", False: "false",
	Time: "2030-01-01T00:00:00Z", IPPrefix: "192.0.2", IPPrefixDot: "192.0.2.", IPHalf: "198.51",
	Base64: encode(Mark), Document: "{}", DocumentBase64: encode("{}"), Comment: "# " + Mark + "\n", XML: "<" + Mark + "/>\n",
	BasicAuth: encode(Mark + ":" + Mark), TokenID: "placeh", TokenSecret: "placeholder00000",
}

const kubeconfig = `apiVersion: v1
kind: Config
clusters:
- name: placeholder
  cluster: {server: "https://%s.example:6443", certificate-authority-data: %s}
users:
- name: placeholder
  user: {token: %s}
contexts:
- name: placeholder
  context: {cluster: placeholder, user: placeholder}
current-context: placeholder
`

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
