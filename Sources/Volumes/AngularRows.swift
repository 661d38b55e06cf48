/// Images and projections side by side: each a row of its angular frequencies k = 0 to L in radial coordinates, of each
/// frequency the d real parts, then the d imaginary ones, as `ProjectionValues.frequency` has those of projections.
struct AngularRows {
  /// L.
  package let degree: Int
  /// d.
  package let rank: Int
  /// The rows, one after the other.
  package let values: [Float]
  /// Numbers of a row: 2 d (L + 1).
  package var width: Int { 2 * rank * (degree + 1) }
  package var count: Int { values.count / width }
  /// The largest modulus of all values.
  package let largest: Float

  /// - Parameter values: rows, one after the other.
  init(values: [Float], degree: Int, rank: Int) {
    (self.values, self.degree, self.rank) = (values, degree, rank)
    largest = values.reduce(0) { max($0, abs($1)) }
  }

  /// The same rows without the frequencies beyond `degree`.
  package func prefix(degree: Int) -> AngularRows {
    let length = 2 * rank * (degree + 1)
    return AngularRows(
      values: (0..<count).flatMap { values[$0 * width..<$0 * width + length] }, degree: degree,
      rank: rank)
  }

  /// - Parameters:
  ///   - images: Fourier-Bessel coefficients, component-major, (re, im), one image after the other.
  ///   - degree: angular frequencies beyond it are left out.
  init(_ images: [Float], radial: RadialCoordinates, degree: Int) {
    let (rank, width) = (radial.rank, 2 * radial.rank * (degree + 1))
    let count = images.count / radial.width
    var values = [Float](repeating: 0, count: count * width)
    images.withUnsafeBufferPointer { images in
      for image in 0..<count {
        radial.forEachCoordinate(of: images.baseAddress! + image * radial.width) { k, j, z in
          if k > degree { return }
          // A function of angular frequency k has the transform (-i)^k R_k(xi); volumes leave out the -i of odd k.
          let sign: Double = k & 2 == 0 ? 1 : -1
          let start = image * width + 2 * k * rank
          values[start + j] = Float(sign * z.0)
          values[start + rank + j] = Float(sign * z.1)
        }
      }
    }
    self.init(values: values, degree: degree, rank: rank)
  }

  /// Squared norms of the rows.
  package var energies: [Float] {
    let width = width
    return (0..<count).map { row in
      values[row * width..<(row + 1) * width].reduce(0) { $0 + $1 * $1 }
    }
  }

  /// A row on circles, as `ProjectionValues.values`.
  /// - Parameters:
  ///   - shift: by how many angles the image is rotated.
  ///   - circle: the cosines and sines of `ProjectionValues.circle`.
  package func circles(
    of row: Int, rotatedBy shift: Int, _ circle: (cosines: [Float], sines: [Float])
  )
    -> [Float]
  {
    let (cosines, sines) = circle
    let angles = cosines.count / 2
    var result = [Float](repeating: 0, count: 2 * rank * angles)
    for k in 0...degree {
      let start = row * width + 2 * k * rank
      let scale: Float = k == 0 ? 1 : Float(2).squareRoot()
      for j in 0..<rank {
        let (real, imaginary) = (scale * values[start + j], scale * values[start + rank + j])
        for p in 0..<angles {
          let at = k * (p + shift) % (2 * angles)
          result[((k & 1) * rank + j) * angles + p] += real * cosines[at] + imaginary * sines[at]
        }
      }
    }
    return result
  }
}
