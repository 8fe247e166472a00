package outside

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// metadata are the addresses and names at which clouds tell a machine its secrets, beside the link-local ones.
var (
	metadata      = []string{"fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"}
	metadataNames = []string{"metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"}
	// shared is the address range of carriers, which is private as well; embedded is that of IPv4 addresses in IPv6.
	shared   = netip.MustParsePrefix("100.64.0.0/10")
	embedded = netip.MustParsePrefix("64:ff9b::/96")
	// sixToFour has an IPv4 address in its second to fifth byte, and compatible in its last four; translated are what
	// networks translate by rules of their own.
	sixToFour, compatible, translated = netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b:1::/48")
)

// forbidden says why an address is not reached; "" if it may be. named says that the repo names the host.
func forbidden(a netip.Addr, named bool) string {
	a = a.Unmap().WithZone("")
	switch b := a.As16(); {
	case embedded.Contains(a), compatible.Contains(a) && a != netip.IPv6Loopback() && a != netip.IPv6Unspecified():
		a = netip.AddrFrom4([4]byte(b[12:]))
	case sixToFour.Contains(a):
		a = netip.AddrFrom4([4]byte(b[2:6]))
	case translated.Contains(a):
		return "what it leads to depends on the network"
	}
	switch {
	case slices.Contains(metadata, a.String()):
		return "it is where a cloud keeps a machine's secrets"
	case a.IsLoopback(), a.IsUnspecified():
		return "it is this machine itself"
	case a.IsLinkLocalUnicast(), a.IsMulticast(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}), a.Is4() && a.As4()[0] == 0:
		return "it is not an address that sources have"
	case !named && (a.IsPrivate() || shared.Contains(a)):
		return "it is private, and the repo does not name it"
	}
	return ""
}

// refusedAddress is the error for an address that is not reached.
func refusedAddress(host, why string) error { return fmt.Errorf("%s is not reached: %s", host, why) }

// proxies are what the environment says of the user's proxy.
func proxies() *httpproxy.Config { return httpproxy.FromEnvironment() }

// proxyAddresses are the proxies' hosts and ports. One without a scheme speaks HTTP, as for Go's own clients.
func proxyAddresses() map[string]bool {
	p, out := proxies(), map[string]bool{}
	for _, text := range []string{p.HTTPProxy, p.HTTPSProxy} {
		if text != "" && !strings.Contains(text, "://") {
			text = "http://" + text
		}
		if u, err := url.Parse(text); err == nil && u.Host != "" {
			out[withPort(u)] = true
		}
	}
	return out
}

// dialer dials addresses that are allowed, and the user's proxies, wherever these are.
func dialer(named bool) func(ctx context.Context, network, addr string) (net.Conn, error) {
	ours := proxyAddresses()
	plain := &net.Dialer{Timeout: patience}
	checked := &net.Dialer{Timeout: patience, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if why := forbidden(a.Addr(), named); why != "" {
			return refusedAddress(a.Addr().String(), why)
		}
		return nil
	}}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if ours[addr] {
			return plain.DialContext(ctx, network, addr)
		}
		return checked.DialContext(ctx, network, addr)
	}
}

func withPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
		if port == "" {
			port = "80"
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func newTransport(named bool) *http.Transport {
	proxy := proxies().ProxyFunc()
	return &http.Transport{
		Proxy:       func(r *http.Request) (*url.URL, error) { return proxy(r.URL) },
		DialContext: dialer(named), ForceAttemptHTTP2: true, TLSHandshakeTimeout: patience,
		DisableCompression:  true, // answers are passed on as they are
		MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute,
	}
}

// permit refuses an address by its name: what a proxy would resolve, no dialer of ours sees.
func permit(ctx context.Context, u *url.URL, named bool) error {
	name := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if a, err := netip.ParseAddr(name); err == nil {
		if why := forbidden(a, named); why != "" {
			return refusedAddress(name, why)
		}
		return nil
	}
	if last := name[strings.LastIndex(name, ".")+1:]; number.MatchString(last) {
		return refusedAddress(name, "it is an address, and not written as one")
	}
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return refusedAddress(name, "it is this machine itself")
	}
	if slices.Contains(metadataNames, name) {
		return refusedAddress(name, "it is where a cloud keeps a machine's secrets")
	}
	if strings.HasSuffix(name, ".svc") || strings.HasSuffix(name, ".svc.cluster.local") {
		return refusedAddress(name, "it is a Service of the cluster, and no pod is behind it here")
	}
	if proxy, err := proxies().ProxyFunc()(u); err != nil || proxy == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return nil // names of the world are often known to the proxy only
	}
	for _, a := range addrs {
		if why := forbidden(a, named); why != "" {
			return refusedAddress(name, why)
		}
	}
	return nil
}

// number matches the last part of a host that some resolvers take for a number: 127.1, 2130706433, 0x7f000001.
var number = regexp.MustCompile(`^(?:[0-9]+|0x[0-9a-f]*)$`)

// leads looks for the addresses of charts in the index of a Helm repository, in YAML or JSON, as it passes by.
type leads struct {
	word  []byte
	found func(*url.URL)
}

// longest is how long an address may be, in bytes.
const longest = 8 << 10

// Write implements io.Writer.
func (l *leads) Write(p []byte) (int, error) {
	for _, c := range p {
		switch c {
		case '\n', '\r', '\t', ' ', '"', '\'', ',', '[', ']', '{', '}':
			l.look()
		default:
			if len(l.word) < longest {
				l.word = append(l.word, c)
			}
		}
	}
	return len(p), nil
}

// look looks at the word that is complete.
func (l *leads) look() {
	if text := string(l.word); strings.HasPrefix(text, "http") && (strings.Contains(text, ".tgz") || strings.Contains(text, ".tar.gz")) {
		if u, err := url.Parse(text); err == nil && u.Host != "" {
			l.found(u)
		}
	}
	l.word = l.word[:0]
}

// errTooFar ends a chain of redirects.
var errTooFar = errors.New("it redirects more than 10 times")
