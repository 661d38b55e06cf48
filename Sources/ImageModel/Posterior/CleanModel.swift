/// What a search knows of the clean images that its statistics are of.
package struct CleanModel {
  package let basis: FourierBesselBasis
  /// Their mean and covariance in the basis.
  package let estimate: MeanAndCovariance
  /// The same in principal coordinates.
  package let posterior: PosteriorModel

  package init(
    basis: FourierBesselBasis, estimate: MeanAndCovariance, posterior: PosteriorModel
  ) {
    self.basis = basis
    self.estimate = estimate
    self.posterior = posterior
  }
}

extension FittedModel {
  package var clean: CleanModel {
    CleanModel(basis: basis, estimate: estimate, posterior: posterior)
  }
}
