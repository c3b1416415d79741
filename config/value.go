package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// ownPackage is the path of this package, whose types don't quote a text.
var ownPackage = reflect.TypeFor[Secret]().PkgPath()

// setText sets a value from its text. Errors don't quote the text, which may be a secret under the
// wrong key.
func setText(v reflect.Value, text string) error {
	if v.Type() == durationType {
		d, err := time.ParseDuration(text)
		if err != nil {
			return errors.New("must be a duration such as 500ms, 5s or 1m30s")
		}
		v.SetInt(int64(d))
		return nil
	}
	if u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); ok {
		err := u.UnmarshalText([]byte(text))
		if err != nil && v.Type().PkgPath() != ownPackage {
			return fmt.Errorf("must be a valid %s", v.Type()) // its own error may quote the text
		}
		return err
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, err := parseBool(text)
		if err != nil {
			return err
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return rangeError(err, "must be a whole number")
		}
		v.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, v.Type().Bits())
		if err != nil {
			return rangeError(err, "must be a whole number of 0 or more")
		}
		v.SetUint(n)
	case reflect.Float32, reflect.Float64:
		n, err := strconv.ParseFloat(text, v.Type().Bits())
		if err != nil {
			return rangeError(err, "must be a number")
		}
		v.SetFloat(n)
	}
	return nil
}

func rangeError(err error, text string) error {
	if errors.Is(err, strconv.ErrRange) {
		text += " that is not so large"
	}
	return errors.New(text)
}

// parseBool also accepts the words of YAML 1.1, which many people still write.
func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	}
	return false, errors.New("must be true or false")
}

// shortDuration formats d without units that are zero: 1h instead of 1h0m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
