// Package hint adds to an error what the user should do next. The error says what is
// wrong and where; the hint is displayed separately.
package hint

import "errors"

// hinted is an error with a hint.
type hinted struct {
	error
	hint string
}

// Unwrap returns the error without its hint.
func (h *hinted) Unwrap() error { return h.error }

// New is an error with a hint: both without a full stop, and lower case.
func New(message, hint string) error { return &hinted{errors.New(message), hint} }

// Wrap adds a hint to an error, whose text stays as it is. nil stays nil.
func Wrap(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &hinted{err, hint}
}

// Of is the hint of an error, or of the first that it wraps which has one; "" if none has.
func Of(err error) string {
	var h *hinted
	if errors.As(err, &h) {
		return h.hint
	}
	return ""
}
