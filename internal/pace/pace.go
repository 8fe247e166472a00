// Package pace says whether this build of the command does without the sleeps of upstream's
// programs. The ordinary build does. Builds with other tags are for comparing verdicts, which must
// be the same, only later (docs/performance.md):
//
//	-tags patient   no seed, no waking, and the controllers' intervals as upstream sets them
//	-tags upstream  in addition, the controllers' own code as upstream has it
package pace
