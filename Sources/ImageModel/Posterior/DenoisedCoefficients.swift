extension PosteriorModel {
  /// Coefficients D^{1/2} alpha of the denoised images less their mean, in the orthonormal basis of
  /// eigenimages: what the invariants are computed of, and what the Euclidean baseline compares
  /// (method E.5).
  package func denoised(_ statistics: SteerableCoefficients, groups: ArraySlice<Int32>)
    -> SteerableCoefficients
  {
    var result = posteriorMeans(of: statistics, groups: groups)
    let scales = eigenvalues.flatMap { $0.map { Float($0.squareRoot()) } }
    let width = layout.componentCount * 2
    for i in result.lanes.indices { result.lanes[i] *= scales[i % width / 2] }
    return result
  }
}

extension SteerableCoefficients {
  /// Every image divided by its norm; an image of zeros stays.
  package var normalized: SteerableCoefficients {
    var result = self
    let width = layout.componentCount * 2
    for start in stride(from: 0, to: lanes.count, by: width) {
      var squares = SIMD16<Float>.zero
      for i in start..<start + width { squares.addProduct(lanes[i], lanes[i]) }
      let norms = squares.squareRoot().replacing(with: 1, where: squares .== 0)
      for i in start..<start + width { result.lanes[i] = lanes[i] / norms }
    }
    return result
  }
}
