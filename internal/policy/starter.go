package policy

import (
	"fmt"
	"strings"
)

// NoCluster is the cluster of a policy that was not filled in: no cluster has it, so the gate refuses, and says what to write.
const NoCluster = "00000000-0000-0000-0000-000000000000"

// Starter is the text of a section promotion to start from, for a cluster's folder. It works for the sample, and says
// what each line accepts.
func Starter(path string) string {
	return fmt.Sprintf(`promotion:
  evidence:
    tier: embedded # the lowest tier that is enough; kind runs real pods
    maxAge: 168h   # how old a rehearsal may be
    # Who may sign evidence: public keys that seatrial attest keygen prints. Name one, and remove unsigned:
    # until then, whoever can write to the repo can make evidence.
    # keys: ["-----BEGIN PUBLIC KEY-----\n…"]
    unsigned: true
    accept:
      standIns: ["*"]    # charts and packages that were not fetched: whether the real ones install was not seen
      assumptions: ["*"] # what was taken for granted of the cluster: the preflight looks whether it holds
      rekeyed: ["*"]     # encrypted files whose values were placeholders: whether they can be decrypted was not seen
      blindSpots:        # of high severity
        - pods-simulated # images were not pulled, and nothing in a pod ran
        - unobserved     # objects of operators that did not run, such as Certificates
        - no-age-key     # no age key was given
  targets:
    production:
      # kubectl get namespace kube-system -o jsonpath={.metadata.uid}
      cluster: %s
      path: %s
      # The cluster tracks the branch production-approved, which only promotions move. Other ways: branch (what is
      # merged reaches the cluster by itself), pull-request, oci.
      delivery: {type: approved-ref}
      onFailure: stop # or rollback, to the last tree with evidence
`, NoCluster, path)
}

// StarterFile is the text of a whole .seatrial.yaml to start from. schema is the file of its schema.
func StarterFile(path, schema string) string {
	return strings.Join([]string{"# yaml-language-server: $schema=./" + schema, "apiVersion: " + APIVersion, "kind: " + Kind, Starter(path)}, "\n")
}
