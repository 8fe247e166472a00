package secrets

import (
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
	"github.com/getsops/sops/v3"
	sopsage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/keyservice"
)

// Encrypted says whether b is a SOPS file, and for which age recipients.
func Encrypted(b []byte) (recipients []string, yes bool) {
	tree, err := store().LoadEncryptedFile(b)
	if err != nil {
		return nil, false
	}
	for _, group := range tree.Metadata.KeyGroups {
		for _, k := range group {
			if a, ok := k.(*sopsage.MasterKey); ok {
				recipients = append(recipients, a.Recipient)
			}
		}
	}
	return recipients, true
}

// onlyAge returns an error if a file can be decrypted by other key services than age,
// or has several key groups: rewriting it here would lose them.
func onlyAge(encrypted []byte) error {
	tree, err := store().LoadEncryptedFile(encrypted)
	if err != nil {
		return err
	}
	if len(tree.Metadata.KeyGroups) > 1 {
		return errors.New("it has several key groups: use sops updatekeys or sops rotate")
	}
	for _, group := range tree.Metadata.KeyGroups {
		for _, k := range group {
			if _, ok := k.(*sopsage.MasterKey); !ok {
				return fmt.Errorf("it has a key of another service than age (%s): use sops updatekeys or sops rotate", k.TypeToIdentifier())
			}
		}
	}
	return nil
}

// EditRecipients changes who can read a file, as sops updatekeys does. Its data key and
// its encrypted values stay as they are.
func EditRecipients(encrypted []byte, key *Key, recipients []string) ([]byte, error) {
	if err := onlyAge(encrypted); err != nil {
		return nil, err
	}
	tree, err := open(encrypted, key)
	if err != nil {
		return nil, err
	}
	// open has decrypted the values of tree, so the file is loaded again for its
	// encrypted ones.
	file, err := store().LoadEncryptedFile(encrypted)
	if err != nil {
		return nil, err
	}
	group, err := ageGroup(recipients)
	if err != nil {
		return nil, err
	}
	secret, err := dataKeyOf(tree, key)
	if err != nil {
		return nil, err
	}
	file.Metadata.KeyGroups, file.Metadata.ShamirThreshold = []sops.KeyGroup{group}, 0
	if errs := file.Metadata.UpdateMasterKeysWithKeyServices(secret, []keyservice.KeyServiceClient{keyservice.NewLocalClient()}); len(errs) > 0 {
		return nil, fmt.Errorf("encrypt the file's key: %w", errs[0])
	}
	return store().EmitEncryptedFile(file)
}

// Rotate encrypts a file again, with a new data key, for the recipients.
func Rotate(encrypted []byte, key *Key, recipients []string) ([]byte, error) {
	if err := onlyAge(encrypted); err != nil {
		return nil, err
	}
	tree, err := open(encrypted, key)
	if err != nil {
		return nil, err
	}
	return encrypt(tree.Branches, recipients, tree.Metadata)
}

func ageGroup(recipients []string) (sops.KeyGroup, error) {
	for i, r := range recipients {
		// SOPS' message would quote what may be a private key.
		if _, err := age.ParseRecipients(strings.NewReader(r)); err != nil {
			return nil, fmt.Errorf("recipient %d is not an age recipient: want age1…, as age-keygen -y prints it", i+1)
		}
	}
	keys, err := sopsage.MasterKeysFromRecipients(strings.Join(recipients, ","))
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("no age recipient to encrypt for")
	}
	var group sops.KeyGroup
	for _, k := range keys {
		group = append(group, k)
	}
	return group, nil
}
