package cause

import (
	"testing"

	"seatrial.dev/seatrial/internal/finding"
)

func TestDecryption(t *testing.T) {
	check(t, []told{
		{name: "another key's", reason: "BuildFailed", message: "decryption failed for 'Secret.v1.[noGrp]/credentials': failed to decrypt and format 'web/credentials' Secret data: cannot get sops data key: Error getting data key: 0 successful groups required, got 0",
			want: finding.SOPSRecipient, at: "apps/all.yaml:2", object: "Secret/web/credentials", says: "for another key", fix: "sops updatekeys"},
		{name: "age has no identity", reason: "BuildFailed", message: "error decrypting sops tree: no identity matched any of the recipients: decrypt",
			want: finding.SOPSRecipient, object: "Secret/web/credentials"},
		{name: "changed by hand", reason: "BuildFailed", message: "decryption failed for 'Secret.v1.[noGrp]/credentials': failed to decrypt and format 'web/credentials' Secret data: Error decrypting tree: failed to verify data integrity: MAC mismatch",
			want: finding.DecryptFailed, at: "apps/all.yaml:2", says: "can't be decrypted", fix: "see what SOPS says"},
		{name: "the Secret with the keys", reason: "BuildFailed", message: "cannot get sops decryption Secret 'flux-system/sops-age': secrets \"sops-age\" not found",
			want: finding.DecryptFailed, at: "c/apps.yaml:2", object: "Kustomization/flux-system/apps"},
		{name: "a name without namespace", reason: "BuildFailed", message: "failed to decrypt and format '/b' Secret data: MAC mismatch", want: finding.DecryptFailed, at: "c/apps.yaml:2"},
		{name: "a name that the layer does not have", reason: "BuildFailed", message: "decryption failed for 'Secret.v1.[noGrp]/credentials': failed to decrypt and format 'web/other' Secret data: MAC mismatch",
			want: finding.DecryptFailed, at: "c/apps.yaml:2"},
	})
}
