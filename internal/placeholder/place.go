package placeholder

import (
	"regexp"
	"slices"
	"strings"
)

// formAt is the form that a place asks for.
func formAt(name string, p Place) vote {
	if p.Document {
		return vote{Document, exact}
	}
	if p.whole() {
		return wholeAt(name, p)
	}
	before, after := p.around(name)
	if f := within(name, before, after); f != String {
		return vote{f, exact}
	}
	if v := (vote{byDefault(p.Default), defined}); v.form > Name {
		return v
	}
	if strings.HasPrefix(p.Path, "metadata.name") || p.Key == "name" || p.Key == "namespace" {
		return vote{Name, hinted}
	}
	if f := byName(name); f != String {
		return vote{f, hinted}
	}
	return vote{}
}

// whole says whether the value is the whole scalar.
func (p Place) whole() bool {
	if p.Text == "" {
		return true
	}
	m := reference.FindStringIndex(p.Text)
	return m != nil && m[0] == 0 && m[1] == len(p.Text)
}

// around is the text before and after the first use of a variable in the place.
func (p Place) around(name string) (before, after string) {
	for _, m := range reference.FindAllStringSubmatchIndex(p.Text, -1) {
		if p.Text[m[2]:m[3]] == name {
			return p.Text[:m[0]], p.Text[m[1]:]
		}
	}
	return "", ""
}

// wholeAt is the form of a value that is all of a scalar.
func wholeAt(name string, p Place) vote {
	key := strings.ToLower(p.Key)
	if p.Kind == "Secret" && (p.section() == "data" || p.section() == "stringData") {
		return inSecret(name, p)
	}
	if v, known := typed[p.Key]; known && !p.mapOfText() {
		return vote{v, exact}
	}
	if all := words(p.Key); len(all) > 0 && !p.mapOfText() {
		switch last := all[len(all)-1]; {
		case last == "port":
			return vote{Port, exact}
		case last == "seconds" || last == "replicas":
			return vote{Int, exact}
		}
	}
	switch f := formOfKey(p.Key); f {
	case CertificateBase64, PrivateKeyBase64:
		return vote{f, exact}
	}
	if f := byDefault(p.Default); f > Name {
		return vote{f, defined}
	}
	if strings.HasPrefix(p.Path, "metadata.name") || key == "namespace" {
		return vote{Name, named}
	}
	byVariable := byName(name)
	switch f := byName(p.Key); {
	case f == Host && (byVariable == IP || byVariable == Host):
		return vote{byVariable, named} // a host may be an address, if the variable says so
	case f == IP && byVariable == CIDR:
		return vote{CIDR, named}
	case f == Path && byVariable == URL, f == URL && byVariable == Host:
		return vote{byVariable, named}
	case f != String && f != Path:
		return vote{f, named}
	case byVariable != String:
		return vote{byVariable, hinted}
	case f == Path:
		return vote{f, hinted}
	case key == "name":
		return vote{Name, hinted}
	case byDefault(p.Default) == Name:
		return vote{Name, hinted}
	}
	return vote{}
}

// inSecret is the form of a value that is all of a Secret's value.
func inSecret(name string, p Place) vote {
	f, known := byType[p.Type][p.Key]
	if known && p.Text == "" {
		return vote{f, exact}
	}
	if !known {
		f = formOfKey(p.Key)
	}
	if f == String {
		f = byName(name)
	}
	if p.Text == "" {
		return vote{f, hinted}
	}
	if p.section() == "data" {
		switch f { // what is put in there by substitution has to be encoded already
		case Certificate:
			return vote{CertificateBase64, exact}
		case PrivateKey:
			return vote{PrivateKeyBase64, exact}
		case Document:
			return vote{DocumentBase64, exact}
		}
		return vote{Base64, exact}
	}
	return vote{f, hinted}
}

// section is the first key of the place's path.
func (p Place) section() string {
	first, _, _ := strings.Cut(p.Path, ".")
	return first
}

// mapOfText says whether a place is in a mapping whose values are text by their type, whatever their keys.
func (p Place) mapOfText() bool {
	if p.Key == "value" && strings.Contains(p.Path, "env[") {
		return true
	}
	for _, field := range []string{"annotations", "labels", "matchLabels", "nodeSelector", "commonAnnotations", "commonLabels", "stringData"} {
		if strings.Contains("."+p.Path, "."+field+".") {
			return true
		}
	}
	return p.Kind == "ConfigMap" && p.section() == "data" || p.Kind == "Kustomization" && strings.Contains(p.Path, "postBuild.substitute.")
}

// textual says whether a place refuses what YAML reads as a number or the like.
func (p Place) textual() bool { return p.Text != "" && p.whole() && !p.Inner && p.mapOfText() }

// typed are fields whose type is the same in every kind that has them.
var typed = map[string]Form{
	"nodePort": NodePort, "healthCheckNodePort": NodePort, "number": Port,
	"runAsUser": Int, "runAsGroup": Int, "fsGroup": Int, "weight": Int, "revisionHistoryLimit": Int, "parallelism": Int, "completions": Int,
	"backoffLimit": Int, "recordTTL": Int, "myASN": ASN, "peerASN": ASN, "localASN": ASN,
	"cpu": CPU, "memory": Quantity, "storage": Quantity, "ephemeral-storage": Quantity, "sizeLimit": Quantity,
	"interval": Duration, "retryInterval": Duration, "timeout": Duration, "renewBefore": Duration, "schedule": Cron,
	"suspend": False, "prune": True, "hostNetwork": False, "privileged": False, "automountServiceAccountToken": False,
	"loadBalancerSourceRanges": CIDR, "loadBalancerIP": IP, "externalIPs": IP, "cidr": CIDR, "caBundle": CertificateBase64,
}

// within is the form of a value by the text around it; String if that does not tell.
func within(name, before, after string) Form {
	address := byName(name)
	switch {
	case prefixLength.MatchString(after):
		return IP
	case lastOctet.MatchString(after) && !strings.HasSuffix(before, "."):
		return map[bool]Form{true: IPPrefix, false: IPHalf}[strings.Count(lastOctet.FindString(after), ".") == 1]
	case bareOctet.MatchString(after) && before == "" && (address == IP || address == CIDR):
		return IPPrefixDot
	case strings.HasSuffix(before, "://"), strings.HasSuffix(before, "@"):
		if address == IP {
			return IP
		}
		return Host
	case afterHost.MatchString(before):
		return Port
	case rangeBefore.MatchString(before), strings.HasPrefix(after, "-") && address == IP:
		return IP
	case strings.HasSuffix(before, ".") && before != "." && !octetBefore.MatchString(before):
		return Host
	case before == "" && strings.HasPrefix(after, "/"):
		return map[bool]Form{true: URL, false: Path}[slices.Contains([]Form{URL, Host}, address)]
	case portAfter.MatchString(after) && address == IP:
		return IP
	case portAfter.MatchString(after) && before == "":
		return Host
	}
	return String
}

var (
	prefixLength = regexp.MustCompile(`^/\d{1,3}\b`)
	lastOctet    = regexp.MustCompile(`^(\.\d{1,3}){1,2}(?:/\d{1,2})?(?:$|[^\w.])`)
	bareOctet    = regexp.MustCompile(`^\d{1,3}\b`)
	afterHost    = regexp.MustCompile(`[\w}\]]:$`)
	rangeBefore  = regexp.MustCompile(`^\d+(\.\d+){3}-$`)
	octetBefore  = regexp.MustCompile(`\d\.$`)
	portAfter    = regexp.MustCompile(`^:\d`)
)
