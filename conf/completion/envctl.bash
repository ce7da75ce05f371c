# Completion for envctl in bash. Source it, or install it as /usr/share/bash-completion/completions/envctl.
# envctl itself prints it, out of its table of commands; zsh and fish: envctl completion zsh|fish.
source <(envctl completion bash)
