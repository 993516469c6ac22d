import { ProblemError } from "../../contract/problem-error.ts";
import { type Define, examples } from "../command.ts";
import { commandTree, isShell, script } from "../completion.ts";
import { text } from "../view.ts";

/** `gridpost completion` */
export const defineCompletion: Define = (program, cli) => {
  program
    .command("completion <shell>")
    .description("Print the completion script for bash, zsh or fish")
    .option("--json", "print one JSON document")
    .addHelpText(
      "after",
      `${examples("completion bash > ~/.local/share/bash-completion/completions/gridpost")}
  $ gridpost completion zsh > "\${fpath[1]}/_gridpost"
  $ gridpost completion fish > ~/.config/fish/completions/gridpost.fish`,
    )
    .action(async (shell) => {
      if (!isShell(shell))
        throw new ProblemError("BAD_REQUEST", `there is no completion for ${shell}`, {
          next: "gridpost completion bash|zsh|fish",
        });
      const written = script(shell, await commandTree(cli));
      await cli.out.show({ shell, script: written }, text(written));
    });
};
