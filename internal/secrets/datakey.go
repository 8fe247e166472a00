package secrets

import (
	"bytes"
	"encoding/base64"
	"errors"

	"filippo.io/age"
	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	sopsage "github.com/getsops/sops/v3/age"
	sopspgp "github.com/getsops/sops/v3/pgp"
	"github.com/getsops/sops/v3/shamir"

	"seatrial.dev/seatrial/internal/sealed"
)

func encodeBase64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// dataKeyOf decrypts a file's data key with what key holds. Of a file with several key groups it needs
// as many as the file's threshold says.
func dataKeyOf(tree *sops.Tree, key *Key) ([]byte, error) {
	ids, err := key.identities()
	if err != nil {
		return nil, err
	}
	var parts [][]byte
	for _, group := range tree.Metadata.KeyGroups {
		if part := key.openOne(ids, group); part != nil {
			parts = append(parts, part)
		}
	}
	groups, threshold := len(tree.Metadata.KeyGroups), tree.Metadata.ShamirThreshold
	if threshold == 0 {
		threshold = groups
	}
	switch {
	case len(parts) == 0 || len(parts) < threshold:
		return nil, ErrOtherKey
	case groups == 1:
		return parts[0], nil
	}
	secret, err := shamir.Combine(parts)
	if err != nil {
		return nil, ErrOtherKey // the parts do not belong together
	}
	return secret, nil
}

func (k *Key) identities() ([]age.Identity, error) {
	if len(k.text) == 0 {
		return nil, nil
	}
	ids, err := age.ParseIdentities(bytes.NewReader(k.text))
	if err != nil {
		return nil, errors.New("not an age key")
	}
	return ids, nil
}

// openOne decrypts a group's part of a data key; nil if k can't.
func (k *Key) openOne(ids []age.Identity, group sops.KeyGroup) []byte {
	for _, master := range group {
		var part []byte
		var err error
		switch m := master.(type) {
		case *sopsage.MasterKey:
			if len(ids) == 0 {
				continue
			}
			sopsage.ParsedIdentities(ids).ApplyToMasterKey(m)
			part, err = m.Decrypt()
		case *sopspgp.MasterKey:
			if len(k.pgp) == 0 {
				continue
			}
			part, err = k.openPGP(m)
		}
		if err == nil && len(part) > 0 {
			return part
		}
	}
	return nil
}

// Suits says whether k is to open an encrypted file: it can, or each key that can is of a sort that k has, so that
// the file is encrypted for somebody else. What only a key service or another sort of key opens, is not for k.
func (k *Key) Suits(encrypted []byte) bool {
	if k == nil {
		return false
	}
	_, parts, err := load(encrypted)
	if err != nil {
		return false
	}
	for _, p := range parts {
		if p.metadata == nil {
			continue
		}
		if _, err := dataKeyOf(&sops.Tree{Metadata: *p.metadata}, k); err == nil {
			return true
		}
		for _, group := range p.metadata.KeyGroups {
			for _, master := range group {
				switch master.(type) {
				case *sopsage.MasterKey:
					if len(k.text) > 0 {
						continue
					}
				case *sopspgp.MasterKey:
					if len(k.pgp) > 0 {
						continue
					}
				}
				return false
			}
		}
	}
	return true
}

// NeedsPGP says whether k opens an encrypted file, but not without its PGP keys.
func (k *Key) NeedsPGP(encrypted []byte) bool {
	if k == nil || len(k.pgp) == 0 {
		return false
	}
	_, parts, err := load(encrypted)
	if err != nil {
		return false
	}
	with, without := true, true
	for _, p := range parts {
		if p.metadata == nil {
			continue
		}
		_, err := dataKeyOf(&sops.Tree{Metadata: *p.metadata}, k)
		with = with && err == nil
		_, err = dataKeyOf(&sops.Tree{Metadata: *p.metadata}, &Key{text: k.text})
		without = without && err == nil
	}
	return with && !without
}

// Open decrypts a file of any format, as kustomize-controller does: without a look at its message
// authentication code, as builds change objects before they are decrypted. It is an Opener. It returns
// ErrOtherKey if k can't open the file.
func (k *Key) Open(name string, encrypted []byte) (plain []byte, err error) {
	defer recovered(&err)
	_, parts, err := k.decrypt(encrypted)
	if err != nil {
		return nil, err
	}
	return emit(sealed.FormatOf(name), parts)
}

// decrypt decrypts the parts of a file.
func (k *Key) decrypt(encrypted []byte) (sealed.Format, []part, error) {
	format, parts, err := load(encrypted)
	if err != nil {
		return "", nil, err
	}
	for _, p := range parts {
		if p.metadata == nil {
			continue
		}
		tree := sops.Tree{Branches: p.branches, Metadata: *p.metadata}
		secret, err := dataKeyOf(&tree, k)
		if err != nil {
			return "", nil, err
		}
		if _, err := tree.Decrypt(secret, aes.NewCipher()); err != nil {
			return "", nil, concealed(err)
		}
	}
	return format, parts, nil
}

// Transcribe encrypts a file again, with its values, for the maker's key: for a cluster that can't use k
// itself, as gpg is not there.
func (m *Maker) Transcribe(k *Key, encrypted []byte) (remade []byte, err error) {
	defer recovered(&err)
	format, parts, err := k.decrypt(encrypted)
	if err != nil {
		return nil, err
	}
	return m.encrypt(format, parts)
}
