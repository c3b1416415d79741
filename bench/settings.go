package main

import (
	"fmt"
	"reflect"
	"strings"
)

// differences lists the settings of cfg that differ from those of base, by their keys in the
// configuration file. The group of a consumer is not among them. Both are structs of package config.
func differences(cfg, base any) string {
	var keys []string
	addDifferences(&keys, "", reflect.ValueOf(cfg), reflect.ValueOf(base))
	if len(keys) == 0 {
		return "defaults"
	}
	return strings.Join(keys, ", ")
}

func addDifferences(to *[]string, prefix string, cfg, base reflect.Value) {
	for i := range cfg.NumField() {
		name, options, _ := strings.Cut(cfg.Type().Field(i).Tag.Get("yaml"), ",")
		a, b := cfg.Field(i), base.Field(i)
		switch {
		case a.Kind() == reflect.Struct && options == "inline":
			addDifferences(to, prefix, a, b)
		case a.Kind() == reflect.Struct:
			addDifferences(to, prefix+name+".", a, b)
		case prefix+name == "group" || a.Interface() == b.Interface():
		default:
			*to = append(*to, fmt.Sprintf("`%s%s` %v", prefix, name, a.Interface()))
		}
	}
}
