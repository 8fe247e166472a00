package internet

import (
	"crypto/md5"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Bucket is an S3 bucket of files, for whoever signs with an access key.
func Bucket(bucket, accessKey string, files Files) http.Handler {
	type object struct {
		Key, ETag, LastModified string
		Size                    int
	}
	tag := func(text string) string { return fmt.Sprintf(`"%x"`, md5.Sum([]byte(text))) }
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Authorization"), "Credential="+accessKey+"/") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		key, found := strings.CutPrefix(r.URL.Path, "/"+bucket+"/")
		switch {
		case r.URL.Query().Has("location"):
			_, _ = io.WriteString(w, `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></LocationConstraint>`)
		case found && key == "" && r.URL.Query().Has("list-type"):
			var list struct {
				XMLName     xml.Name `xml:"ListBucketResult"`
				Name        string
				IsTruncated bool
				Contents    []object
			}
			list.Name = bucket
			for _, name := range slices.Sorted(maps.Keys(files)) {
				list.Contents = append(list.Contents, object{name, tag(files[name]), "2026-01-01T00:00:00.000Z", len(files[name])})
			}
			_ = xml.NewEncoder(w).Encode(list)
		case found && key == "": // whether it is there
		case found && files[key] != "":
			w.Header().Set("Etag", tag(files[key]))
			w.Header().Set("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
			w.Header().Set("Content-Length", fmt.Sprint(len(files[key])))
			if r.Method != http.MethodHead {
				_, _ = io.WriteString(w, files[key])
			}
		default:
			http.NotFound(w, r)
		}
	})
}
