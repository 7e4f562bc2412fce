# Times csranks on data read from a file of doubles; run by ranks_csranks.py.
# Arguments: path, observations, covariates, tie weight.
# Prints one line each: elapsed and CPU seconds of fit and covariance, peak memory in megabytes,
# coefficients, covariance.

arguments <- commandArgs(trailingOnly = TRUE)
size <- as.integer(arguments[2])
num_covariates <- as.integer(arguments[3])
omega <- as.numeric(arguments[4])
suppressPackageStartupMessages(library(csranks))

columns <- matrix(readBin(arguments[1], "double", size * (2 + num_covariates)), nrow = size)
names <- c("outcome", "regressor", sprintf("w%d", seq_len(num_covariates)))
data <- setNames(as.data.frame(columns), names)
terms <- c("r(regressor)", names[-(1:2)])
formula <- as.formula(paste("r(outcome) ~", paste(terms, collapse = " + ")))

invisible(gc(reset = TRUE))
seconds <- system.time({
  model <- lmranks(formula, data = data, omega = omega)
  covariance <- vcov(model)
})
peak <- sum(gc()[, 6])
show <- function(values) cat(formatC(as.numeric(values), digits = 17, format = "g"), "\n")
show(c(seconds[["elapsed"]], seconds[["user.self"]] + seconds[["sys.self"]]))
show(peak)
show(coef(model))
show(covariance)
