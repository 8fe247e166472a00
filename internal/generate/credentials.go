package generate

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"
	"sigs.k8s.io/yaml"
)

// credentialsFile is the encrypted record of the credentials in use. Services share
// some of them, and generating again must give the same ones.
const credentialsFile = ".seatrial/credentials.yaml"

// Credentials are random values by name, such as ldap/bind. Each is drawn when it is
// first asked for, and is kept in memory only.
type Credentials struct {
	values map[string]string
	used   map[string]bool
}

// NewCredentials returns an empty set.
func NewCredentials() *Credentials {
	return &Credentials{values: map[string]string{}, used: map[string]bool{}}
}

// ReadCredentials reads the decrypted record of an earlier generation.
func ReadCredentials(record []byte) (*Credentials, error) {
	var secret struct {
		StringData map[string]string `json:"stringData"`
	}
	if err := yaml.Unmarshal(record, &secret); err != nil {
		return nil, fmt.Errorf("%s: %w", credentialsFile, err)
	}
	c := NewCredentials()
	if secret.StringData != nil {
		c.values = secret.StringData
	}
	return c, nil
}

// String hides the values from logs.
func (c *Credentials) String() string { return "credentials (hidden)" }

// password returns the credential of a name, and draws it if there is none: 192 random
// bits in characters that need no quoting anywhere, cut to length characters if length
// is not 0. If c is nil, it returns the name in angle brackets.
func (c *Credentials) password(name string, length int) (string, error) {
	if c == nil {
		return "<" + name + ">", nil
	}
	c.used[name] = true
	if v, made := c.values[name]; made {
		return v, nil
	}
	var b [24]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	v := "p" + base64.RawURLEncoding.EncodeToString(b[:])
	if length > 0 {
		v = v[:length]
	}
	c.values[name] = v
	return v, nil
}

// permanent is the end of the names of those credentials that services encrypt their data with.
const permanent = " (encryption key)"

// Rotated returns a set that will draw all credentials anew, except the keys that
// services have encrypted data with: with another key they could not read it. The cluster's
// authority stays, too: what trusts it was told so by hand.
func (c *Credentials) Rotated() *Credentials {
	next := NewCredentials()
	n, _ := strconv.Atoi(c.values[rotated]) // none yet is none
	next.values[rotated] = strconv.Itoa(n + 1)
	for name, v := range c.values {
		if strings.HasSuffix(name, permanent) || strings.HasPrefix(name, authorityPrefix) {
			next.values[name] = v
		}
	}
	return next
}

// rotated is the name under which it is kept how often all credentials were drawn anew.
const rotated = "rotations"

// rotations is how often all credentials were drawn anew; empty if never.
func (c *Credentials) rotations() string {
	n := c.values[rotated]
	if n != "" {
		c.used[rotated] = true
	}
	return n
}

// strong returns a credential that also satisfies a policy which wants upper and lower case,
// a digit and another character.
func (c *Credentials) strong(name string) (string, error) {
	if c == nil {
		return "<" + name + ", strong>", nil // a shape of its own, so that a file with a weak one is made anew
	}
	v, err := c.password(name, 0)
	if err != nil {
		return v, err
	}
	for _, class := range []string{"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", "-_"} {
		if !strings.ContainsAny(v, class) {
			v += "-A1a"
			break
		}
	}
	c.values[name] = v
	return v, nil
}

// bcrypt gives the hash of a credential, for files in the form of htpasswd.
func (c *Credentials) bcrypt(name string) (string, error) {
	password, err := c.password(name, 0)
	if err != nil || c == nil {
		return password, err
	}
	hashed := name + " (bcrypt)"
	c.used[hashed] = true
	if h, made := c.values[hashed]; made && bcrypt.CompareHashAndPassword([]byte(h), []byte(password)) == nil {
		return h, nil
	}
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return "", err
	}
	c.values[hashed] = string(h)
	return string(h), nil
}

// file returns the record of the credentials that were asked for.
func (c *Credentials) file() (File, error) {
	values, names := map[string]string{}, map[string]string{}
	for name := range c.used {
		values[name], names[name] = c.values[name], "<"+name+">"
	}
	var f File
	var err error
	f.Secret = true
	if f.Data, err = record(values); err != nil {
		return f, err
	}
	f.Shape, err = record(names)
	return f, err
}

func record(values map[string]string) ([]byte, error) {
	text, err := yaml.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "generated-credentials"}, "stringData": values,
	})
	return append([]byte("# What seatrial generate has drawn at random. Flux does not apply this file.\n"), text...), err
}
