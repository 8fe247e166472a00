package forge

import (
	"context"
	"net/http"
	"strings"

	gitlab "gitlab.com/gitlab-org/api/client-go"
)

type gitLab struct {
	Options
	client *gitlab.Client
}

func newGitLab(o Options, c *http.Client) (Forge, error) {
	options := []gitlab.ClientOptionFunc{gitlab.WithHTTPClient(c), gitlab.WithCustomRetryMax(2)}
	if o.Server != "" {
		options = append(options, gitlab.WithBaseURL(o.Server))
	}
	client, err := gitlab.NewClient(o.Token, options...)
	return &gitLab{o, client}, err
}

func (g *gitLab) project() string { return g.Owner + "/" + g.Repository }

// Request implements Forge.
func (g *gitLab) Request(ctx context.Context, r Request) (string, error) {
	body, with := marked(r.Body), gitlab.WithContext(ctx)
	open, _, err := g.client.MergeRequests.ListProjectMergeRequests(g.project(), &gitlab.ListProjectMergeRequestsOptions{
		State: gitlab.Ptr("opened"), SourceBranch: &r.From, TargetBranch: &r.Into,
	}, with)
	if err != nil {
		return "", failedTo("look for a merge request", err)
	}
	for _, mr := range open {
		if mr.SourceBranch != r.From || mr.TargetBranch != r.Into {
			continue
		}
		if ours(mr.Description) {
			_, _, err := g.client.MergeRequests.UpdateMergeRequest(g.project(), mr.IID, &gitlab.UpdateMergeRequestOptions{Title: &r.Title, Description: &body}, with)
			return mr.WebURL, failed("renew the merge request", err)
		}
		return mr.WebURL, failed("comment on the merge request", g.comment(ctx, mr.IID, body))
	}
	mr, _, err := g.client.MergeRequests.CreateMergeRequest(g.project(), &gitlab.CreateMergeRequestOptions{
		Title: &r.Title, Description: &body, SourceBranch: &r.From, TargetBranch: &r.Into,
	}, with)
	if err != nil {
		return "", failedTo("open a merge request", err)
	}
	return mr.WebURL, nil
}

// comment edits our note, or makes it.
func (g *gitLab) comment(ctx context.Context, number int64, body string) error {
	with := gitlab.WithContext(ctx)
	o := &gitlab.ListMergeRequestNotesOptions{ListOptions: gitlab.ListOptions{PerPage: 100}}
	for {
		notes, response, err := g.client.Notes.ListMergeRequestNotes(g.project(), number, o, with)
		if err != nil {
			return err
		}
		for _, n := range notes {
			if ours(n.Body) {
				_, _, err := g.client.Notes.UpdateMergeRequestNote(g.project(), number, n.ID, &gitlab.UpdateMergeRequestNoteOptions{Body: &body}, with)
				return err
			}
		}
		if o.Page = response.NextPage; o.Page == 0 {
			break
		}
	}
	_, _, err := g.client.Notes.CreateMergeRequestNote(g.project(), number, &gitlab.CreateMergeRequestNoteOptions{Body: &body}, with)
	return err
}

// Status implements Forge.
func (g *gitLab) Status(ctx context.Context, commit string, passed bool, description, url string) error {
	o := &gitlab.SetCommitStatusOptions{State: gitlab.Failed, Name: gitlab.Ptr(StatusName), Description: &description}
	if passed {
		o.State = gitlab.Success
	}
	if url != "" {
		o.TargetURL = &url
	}
	_, _, err := g.client.Commits.SetCommitStatus(g.project(), commit, o, gitlab.WithContext(ctx))
	// The same status again is refused as a transition from success to success.
	if err != nil && strings.Contains(err.Error(), "Cannot transition status") {
		return nil
	}
	return failed("set the commit status", err)
}
