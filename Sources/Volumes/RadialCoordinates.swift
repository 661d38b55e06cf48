import ImageModel
import LinearAlgebra

/// Radial functions common to all angular frequencies, in which the covariances of a model's blocks are small
/// matrices: the leading principal components, over all blocks, of the Fourier transforms of the clean images on
/// circles.
package struct RadialCoordinates: Sendable {
  /// d.
  package let rank: Int
  /// C_k for k = 0 to the highest frequency of the covariance, d x d.
  let covariances: [Matrix]
  private let layout: AngularLayout
  /// From radial coordinates to the Fourier-Bessel coefficients of each block, p_k x d.
  private let expansions: [Matrix]

  /// The share of the energy that the radial functions leave out is below this.
  private static let precision = 1e-6

  /// - Parameter blocks: the covariance of the Fourier-Bessel coefficients of each block.
  /// - Throws: `LAPACKError`.
  package init(of blocks: [Matrix], basis: FourierBesselBasis) throws {
    layout = basis.layout
    // Circles at the middles of equal parts of the band, enough for products of the radial functions.
    let circles = max(64, 4 * basis.layout.components(ofBlock: 0).count)
    let width = basis.bandLimit / Double(circles)
    let radial = blocks.enumerated().map { k, block in
      Matrix(
        rows: circles, columns: block.rows,
        storage: (0..<circles).flatMap { circle in
          let xi = (Double(circle) + 0.5) * width
          let weight = (2 * .pi * xi * width).squareRoot()
          return basis.fourierRadial(block: k, at: xi).map { weight * $0 }
        })
    }
    var total = Matrix(rows: circles, columns: circles)
    for (k, block) in blocks.enumerated() where block.trace > 0 {
      total +=
        Double(ImageModel.multiplicity(ofBlock: k)) * (radial[k] * block * radial[k].transposed)
    }
    let eigen = try SymmetricEigen(total.symmetrized)
    let sum = eigen.values.reduce(0) { $0 + max(0, $1) }
    var kept = 0
    var left = sum
    while kept < circles && left > Self.precision * sum {
      left -= max(0, eigen.values[kept])
      kept += 1
    }
    let axes = eigen.vectors.leadingColumns(kept)
    rank = kept
    expansions = radial.map { $0.transposed * axes }
    // Nothing less makes projections differ.
    let highest = max(2, blocks.lastIndex { $0.trace > 0 } ?? 0)
    covariances = (0...highest).map { [expansions] k in
      k < blocks.count && blocks[k].trace > 0
        ? (expansions[k].transposed * blocks[k] * expansions[k]).symmetrized
        : Matrix(rows: kept, columns: kept)
    }
  }

  /// The covariance of the Fourier-Bessel coefficients of each block, of the C_k of the first ones; 0 for the others.
  package func expand(_ covariances: [Matrix]) -> [Matrix] {
    expansions.enumerated().map { k, expansion in
      k < covariances.count
        ? expansion * covariances[k] * expansion.transposed
        : Matrix(rows: expansion.rows, columns: expansion.rows)
    }
  }

  /// The Fourier-Bessel coefficients of a projection, component-major, (re, im).
  /// - Parameter a: those beyond the projection's frequencies stay as they are.
  package func expand(_ projection: ProjectionValues, into a: UnsafeMutablePointer<Float>) {
    for k in 0..<min(layout.blockCount, covariances.count, projection.degree + 1) {
      let z = projection.frequency(k)
      // A function of angular frequency k has the transform (-i)^k R_k(xi); volumes leave out the -i of odd k.
      let sign: Double = k & 2 == 0 ? 1 : -1
      let expansion = expansions[k]
      for (q, component) in layout.components(ofBlock: k).enumerated() {
        var (real, imaginary) = (0.0, 0.0)
        for j in 0..<rank {
          real += expansion[q, j] * z[j].0
          imaginary += expansion[q, j] * z[j].1
        }
        a[2 * component] = Float(sign * real)
        a[2 * component + 1] = k == 0 ? 0 : Float(sign * imaginary)
      }
    }
  }

  /// Floats in the Fourier-Bessel coefficients of an image.
  package var width: Int { 2 * layout.componentCount }

  /// Hands out the radial coordinates j of each angular frequency k of an image, (re, im).
  /// - Parameter a: its Fourier-Bessel coefficients, component-major, (re, im).
  func forEachCoordinate(
    of a: UnsafePointer<Float>, _ body: (_ k: Int, _ j: Int, _ z: (Double, Double)) -> Void
  ) {
    for k in 0..<min(layout.blockCount, covariances.count) {
      for j in 0..<rank {
        var (real, imaginary) = (0.0, 0.0)
        for (q, component) in layout.components(ofBlock: k).enumerated() {
          real += expansions[k][q, j] * Double(a[2 * component])
          imaginary += expansions[k][q, j] * Double(a[2 * component + 1])
        }
        body(k, j, (real, imaginary))
      }
    }
  }
}
