// Modules whose CRDs a rehearsal installs without their controllers.
module seatrial.dev/engine/flux/crds

go 1.26.0

require github.com/fluxcd/notification-controller v1.9.3
