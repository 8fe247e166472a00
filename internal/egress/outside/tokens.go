package outside

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/sources"
)

// identify finds out who asks: by the token that was handed out to them, or by the credential
// itself. The caller holds the lock.
func (s *Server) identify(q *query) {
	if s.Store == nil {
		return
	}
	credential := q.header.Get("Authorization")
	if token, found := strings.CutPrefix(credential, "Bearer "); found {
		if who, known := s.tokens[token]; known {
			q.Who, q.yours = who, s.yours[token]
			return
		}
	}
	if m := amazonKey.FindStringSubmatch(credential); m != nil { // what follows is a signature, which differs each time
		credential, q.signed = "key "+m[1], true
	}
	if credential == "" && q.token && q.Method == http.MethodPost {
		credential = "form " + string(q.Body) // a password, or a token that stands for one
	}
	q.Who = s.Store.Who(credential)
}

var amazonKey = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/, ]+)`)

var (
	challenge = regexp.MustCompile(`(?i)(?:^|[,\s])bearer\s+(.*)$`)
	parameter = regexp.MustCompile(`([A-Za-z]+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))`)
)

// bearer reads the parameters of a challenge for a token; nil if it is none.
func bearer(header http.Header) map[string]string {
	for _, c := range header.Values("Www-Authenticate") {
		found := challenge.FindStringSubmatch(c)
		if found == nil {
			continue
		}
		out := map[string]string{}
		for _, m := range parameter.FindAllStringSubmatch(found[1], -1) {
			if name := strings.ToLower(m[1]); out[name] == "" {
				out[name] = m[2] + m[3]
			}
		}
		return out
	}
	return nil
}

// challenged notes the token server that a registry names. The registry leads there.
func (s *Server) challenged(q *query, header http.Header) {
	where, err := url.Parse(bearer(header)["realm"])
	if err != nil || where.Host == "" {
		return
	}
	s.lead(q.url, hostOf(where))
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := realm(where); !slices.Contains(s.realms[at], hostOf(q.url)) {
		s.realms[at] = append(s.realms[at], hostOf(q.url))
	}
}

const nobody = sources.Nobody

// bearerOf is who has a token that was given to who.
func bearerOf(who string) string {
	if who == "" {
		return nobody
	}
	return who
}

// realm is a token server's address.
func realm(u *url.URL) string {
	return strings.ToLower(u.Scheme) + "://" + hostOf(u) + strings.TrimRight(u.Path, "/")
}

// granted notes to whom a token server has given a token. The token itself is not kept: for the next time it is
// noted that there was one. Any other answer is kept as it is.
func (s *Server) granted(q *query, a *reply) (*reply, error) {
	kind := a.header.Get("Content-Type")
	if a.status != http.StatusOK || !q.token && !strings.HasPrefix(kind, "application/json") {
		return s.keep(q, a), nil
	}
	b, err := io.ReadAll(io.LimitReader(a.body, maxToken+1))
	if err != nil {
		return nil, errors.Join(err, a.body.Close())
	}
	var token struct {
		Token  string `json:"token"`
		Access string `json:"access_token"`
	}
	if len(b) > maxToken || json.Unmarshal(b, &token) != nil || token.Token+token.Access == "" {
		a.body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(b), a.body), a.body}
		if q.token {
			return a, nil // whatever it is, it is not kept
		}
		return s.keep(q, a), nil
	}
	_ = a.body.Close()
	s.mu.Lock()
	for _, t := range []string{token.Token, token.Access} {
		if t != "" {
			s.tokens[t] = bearerOf(q.Who)
		}
	}
	s.mu.Unlock()
	s.keepGrant(q, http.Header{"Content-Type": {"application/json"}})
	a.body = bodyOf(b)
	return a, nil
}

// maxToken is how long an answer with a token may be, in bytes.
const maxToken = 256 << 10

// keepGrant keeps that there was a token.
func (s *Server) keepGrant(q *query, header http.Header) {
	w, err := s.Store.Keep(q.Request, http.StatusOK, header)
	if err == nil {
		err = w.Commit()
	}
	if err != nil {
		s.notKept(err)
	}
}

// grant hands out a token of ours, where one was given earlier.
func (s *Server) grant(who string, a *reply) *reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, token := tokenBody()
	s.tokens[token] = bearerOf(who)
	return &reply{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, body: bodyOf(b), origin: a.origin}
}

// grantYours hands out a token of ours for which the user's own credentials stand.
func (s *Server) grantYours(q *query) *reply {
	s.keepGrant(q, http.Header{"Content-Type": {"application/json"}, egress.HeaderYours: {"yes"}})
	s.mu.Lock()
	defer s.mu.Unlock()
	b, token := tokenBody()
	s.tokens[token], s.yours[token] = bearerOf(""), true
	return &reply{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, body: bodyOf(b), origin: egress.Upstream, yours: true}
}

func tokenBody() (body []byte, token string) {
	random := make([]byte, 16)
	_, _ = rand.Read(random) // never fails
	token = "seatrial-" + hex.EncodeToString(random)
	body, err := json.Marshal(map[string]any{"token": token, "access_token": token, "expires_in": 3600})
	if err != nil {
		panic(err) // it consists of strings and numbers
	}
	return body, token
}
