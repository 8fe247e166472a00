package forge

import (
	"context"
	"net/http"
	"strings"

	"github.com/google/go-github/v83/github"
)

type gitHub struct {
	Options
	client *github.Client
}

func newGitHub(o Options, c *http.Client) (Forge, error) {
	client := github.NewClient(c).WithAuthToken(o.Token)
	if o.Server != "" && strings.TrimSuffix(o.Server, "/") != "https://github.com" {
		var err error
		if client, err = client.WithEnterpriseURLs(o.Server, o.Server); err != nil {
			return nil, err
		}
	}
	return &gitHub{o, client}, nil
}

// Request implements Forge.
func (g *gitHub) Request(ctx context.Context, r Request) (string, error) {
	body := marked(r.Body)
	open, _, err := g.client.PullRequests.List(ctx, g.Owner, g.Repository, &github.PullRequestListOptions{State: "open", Head: g.Owner + ":" + r.From, Base: r.Into})
	if err != nil {
		return "", failedTo("look for a pull request", err)
	}
	for _, pr := range open {
		if pr.GetHead().GetRef() != r.From || pr.GetBase().GetRef() != r.Into {
			continue
		}
		if ours(pr.GetBody()) {
			_, _, err := g.client.PullRequests.Edit(ctx, g.Owner, g.Repository, pr.GetNumber(), &github.PullRequest{Title: &r.Title, Body: &body})
			return pr.GetHTMLURL(), failed("renew the pull request", err)
		}
		return pr.GetHTMLURL(), failed("comment on the pull request", g.comment(ctx, pr.GetNumber(), body))
	}
	pr, _, err := g.client.PullRequests.Create(ctx, g.Owner, g.Repository, &github.NewPullRequest{Title: &r.Title, Head: &r.From, Base: &r.Into, Body: &body})
	if err != nil {
		return "", failedTo("open a pull request", err)
	}
	return pr.GetHTMLURL(), nil
}

// comment edits our comment, or makes it.
func (g *gitHub) comment(ctx context.Context, number int, body string) error {
	o := &github.IssueListCommentsOptions{ListOptions: github.ListOptions{PerPage: 100}}
	for {
		comments, response, err := g.client.Issues.ListComments(ctx, g.Owner, g.Repository, number, o)
		if err != nil {
			return err
		}
		for _, c := range comments {
			if ours(c.GetBody()) {
				_, _, err := g.client.Issues.EditComment(ctx, g.Owner, g.Repository, c.GetID(), &github.IssueComment{Body: &body})
				return err
			}
		}
		if o.Page = response.NextPage; o.Page == 0 {
			break
		}
	}
	_, _, err := g.client.Issues.CreateComment(ctx, g.Owner, g.Repository, number, &github.IssueComment{Body: &body})
	return err
}

// Status implements Forge.
func (g *gitHub) Status(ctx context.Context, commit string, passed bool, description, url string) error {
	state, name := map[bool]string{true: "success", false: "failure"}[passed], StatusName
	s := github.RepoStatus{State: &state, Context: &name, Description: &description}
	if url != "" {
		s.TargetURL = &url
	}
	_, _, err := g.client.Repositories.CreateStatus(ctx, g.Owner, g.Repository, commit, s)
	return failed("set the commit status", err)
}
