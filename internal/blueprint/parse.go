package blueprint

import (
	"fmt"
	"reflect"

	"seatrial.dev/seatrial/internal/strict"
)

// Problem is one mistake in a blueprint.
type Problem = strict.Problem

// Invalid is every mistake that was found in a blueprint, in the order of its lines.
type Invalid = strict.Invalid

// reader takes what is wrong with a blueprint.
type reader struct{ *strict.Reader }

// Parse reads a blueprint and fills in the defaults. name is the file's name, for
// messages. The error is an Invalid: it lists every mistake with its line, what is
// allowed there, and the likely spelling.
func Parse(name string, b []byte) (*Blueprint, error) {
	bp := defaults()
	read, err := strict.Read(name, "the blueprint", fmt.Sprintf("apiVersion: %s and kind: %s", APIVersion, Kind), b, bp,
		map[reflect.Type]reflect.Type{reflect.TypeFor[RegistryProxy](): reflect.TypeFor[string]()})
	if err != nil {
		return nil, err
	}
	r := &reader{read}
	if !r.Written("packagingGlobalNamespace") && bp.Flavour == Generic {
		bp.PackagingGlobalNamespace = "kapp-controller-packaging-global" // kapp-controller's release creates it
	}
	if !r.Written("services") {
		bp.Services = Default().Services
	}
	if !r.Written("issuer") && bp.Services["vault"] == nil && !r.Written("services.vault") {
		bp.Issuer = BootstrapIssuer
	}
	for name, s := range bp.Services {
		if s == nil { // the user wrote "harbor:" with no value
			bp.Services[name] = &Service{}
		}
	}
	r.validate(bp)
	if err := r.Err(); err != nil {
		return nil, err
	}
	return bp, nil
}
