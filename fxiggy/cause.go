package fxiggy

import (
	"errors"
	"fmt"
	"strings"

	"go.uber.org/dig"
)

// Cause returns why an application could not be built, started or stopped, from the error of
// fx.App.Err, Start or Stop: without the constructors that Fx names around it, and with one fault
// per line when there are several, such as all faults of a configuration. errors.Is and errors.As
// find the causes in it. Cause(nil) is nil.
//
//	app := fx.New(…)
//	if err := app.Err(); err != nil {
//		return fxiggy.Cause(err)
//	}
func Cause(err error) error {
	switch causes := appendCauses(nil, err); len(causes) {
	case 0:
		return nil
	case 1:
		return causes[0]
	default:
		return causeErrors(causes)
	}
}

// appendCauses appends the errors that err joins, without what Fx has put around them.
func appendCauses(causes []error, err error) []error {
	if err == nil {
		return causes
	}
	if several := joined(err); several != nil {
		for _, each := range several {
			causes = appendCauses(causes, each)
		}
		return causes
	}
	root := dig.RootCause(err)
	if graph := dig.Error(nil); errors.As(root, &graph) {
		return append(causes, err) // a fault of the graph: Fx names the function and the type
	}
	if joined(root) != nil {
		return appendCauses(causes, root)
	}
	return append(causes, root)
}

// joined returns the errors of one that only joins others: by errors.Join, or by Fx.
func joined(err error) []error {
	several, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	var texts []string
	for _, each := range several.Unwrap() {
		texts = append(texts, each.Error())
	}
	if text := err.Error(); text != strings.Join(texts, "\n") && text != strings.Join(texts, "; ") {
		return nil // it says more than they do
	}
	return several.Unwrap()
}

// causeErrors is several causes.
type causeErrors []error

func (l causeErrors) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d faults:", len(l))
	for _, err := range l {
		text.WriteString("\n  - " + strings.ReplaceAll(err.Error(), "\n", "\n    "))
	}
	return text.String()
}

func (l causeErrors) Unwrap() []error { return l }
