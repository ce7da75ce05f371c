# Completion for envctl in fish: install it as /usr/share/fish/vendor_completions.d/envctl.fish. envctl itself says
# what there is, so that this never lags behind it.
envctl completion fish | source
