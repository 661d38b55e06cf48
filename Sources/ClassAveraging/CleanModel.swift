/// What a search knows of the clean images that its statistics are of.
struct CleanModel {
  let basis: FourierBesselBasis
  /// Their mean and covariance in the basis.
  let estimate: MeanAndCovariance
  /// The same in principal coordinates.
  let posterior: PosteriorModel
}

extension FittedModel {
  var clean: CleanModel { CleanModel(basis: basis, estimate: estimate, posterior: posterior) }
}
