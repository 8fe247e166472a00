package forge

import (
	"context"
	"net/http"

	"code.gitea.io/sdk/gitea"
)

type giteaForge struct {
	Options
	client *gitea.Client
}

func newGitea(o Options, c *http.Client) (Forge, error) {
	// A version that is given is not asked for, so that nothing is sent yet.
	client, err := gitea.NewClient(o.Server, gitea.SetHTTPClient(c), gitea.SetToken(o.Token), gitea.SetGiteaVersion(""))
	return &giteaForge{o, client}, err
}

// Request implements Forge.
func (g *giteaForge) Request(ctx context.Context, r Request) (string, error) {
	g.client.SetContext(ctx)
	body := marked(r.Body)
	for page := 1; ; page++ {
		open, _, err := g.client.ListRepoPullRequests(g.Owner, g.Repository, gitea.ListPullRequestsOptions{
			State: gitea.StateOpen, ListOptions: gitea.ListOptions{Page: page, PageSize: 50},
		})
		if err != nil {
			return "", failedTo("look for a pull request", err)
		}
		for _, pr := range open {
			if pr.Head == nil || pr.Base == nil || pr.Head.Ref != r.From || pr.Base.Ref != r.Into {
				continue
			}
			if ours(pr.Body) {
				_, _, err := g.client.EditPullRequest(g.Owner, g.Repository, pr.Index, gitea.EditPullRequestOption{Title: r.Title, Body: &body})
				return pr.HTMLURL, failed("renew the pull request", err)
			}
			return pr.HTMLURL, failed("comment on the pull request", g.comment(pr.Index, body))
		}
		if len(open) == 0 {
			break
		}
	}
	pr, _, err := g.client.CreatePullRequest(g.Owner, g.Repository, gitea.CreatePullRequestOption{Head: r.From, Base: r.Into, Title: r.Title, Body: body})
	if err != nil {
		return "", failedTo("open a pull request", err)
	}
	return pr.HTMLURL, nil
}

// comment edits our comment, or makes it.
func (g *giteaForge) comment(number int64, body string) error {
	for page := 1; ; page++ {
		comments, _, err := g.client.ListIssueComments(g.Owner, g.Repository, number, gitea.ListIssueCommentOptions{ListOptions: gitea.ListOptions{Page: page, PageSize: 50}})
		if err != nil {
			return err
		}
		for _, c := range comments {
			if ours(c.Body) {
				_, _, err := g.client.EditIssueComment(g.Owner, g.Repository, c.ID, gitea.EditIssueCommentOption{Body: body})
				return err
			}
		}
		if len(comments) < 50 {
			break
		}
	}
	_, _, err := g.client.CreateIssueComment(g.Owner, g.Repository, number, gitea.CreateIssueCommentOption{Body: body})
	return err
}

// Status implements Forge.
func (g *giteaForge) Status(ctx context.Context, commit string, passed bool, description, url string) error {
	g.client.SetContext(ctx)
	state := gitea.StatusFailure
	if passed {
		state = gitea.StatusSuccess
	}
	_, _, err := g.client.CreateStatus(g.Owner, g.Repository, commit, gitea.CreateStatusOption{State: state, TargetURL: url, Description: description, Context: StatusName})
	return failed("set the commit status", err)
}
