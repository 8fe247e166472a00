// Package evidence says what a rehearsal proved of a tree, in a form that others can check:
// in-toto statements in DSSE envelopes.
//
// A rehearsal gives two envelopes. The first is a test result
// (https://in-toto.io/attestation/test-result/v0.1): its layers, and under "configuration"
// everything that the verdict rests on, as descriptors whose URI says what they are (see
// Configuration). The second, a Simple Verification Result
// (https://in-toto.io/attestation/svr/v0.1), has nothing but the properties that hold, for
// policy engines. Both name the Git tree that was rehearsed and, if it was committed, the
// commit. What decides is the tree: a commit with the same tree holds the same files.
//
// Nothing of a payload is looked at before its signature is verified: see Open.
package evidence
