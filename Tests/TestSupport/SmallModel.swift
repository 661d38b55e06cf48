import Foundation
import LinearAlgebra
import MPI

@testable import ImageModel

/// A random symmetric matrix with eigenvalues of `floor` and more.
package func randomPositiveDefinite(_ order: Int, floor: Double, seed: UInt64) -> Matrix {
  let a = Matrix(rows: order, columns: order, storage: randomNormals(order * order, seed: seed))
  return (1 / Double(order)) * (a * a.transposed) + floor * Matrix.identity(order)
}

/// Known mean, covariance and squared CTFs of a few coefficients in three defocus groups.
package struct SmallModel {
  /// Blocks k = 0...4 of 3, 2, 2, 1 and 1 components.
  package let basis = FourierBesselBasis(size: 16, bandLimit: 0.4, radius: 4.8)
  package var mean: [Double]
  /// Sigma_k.
  package var covariance: [Matrix]
  /// B_g of each block.
  package var squared: [[Matrix]]
  package let groupCounts = [400_000, 350_000, 250_000]

  package init(seed: UInt64) {
    let layout = basis.layout
    let counts = (0..<layout.blockCount).map { layout.components(ofBlock: $0).count }
    mean = randomNormals(counts[0], seed: seed)
    covariance = counts.enumerated().map {
      randomPositiveDefinite($1, floor: 0.3, seed: seed + 10 + UInt64($0))
    }
    squared = (0..<3).map { group in
      counts.enumerated().map {
        randomPositiveDefinite($1, floor: 0.2, seed: seed + 100 * UInt64(group + 1) + UInt64($0))
      }
    }
  }

  package var image: ImageModel {
    ImageModel(basis: basis, squared: squared, groupCounts: groupCounts)
  }

  /// The expected moments of the groups: B (Sigma + mu mu^T) B + sigma^2 B times the images.
  package func moments(noiseVariance: Double) -> GroupMoments {
    var sums: [[Double]] = []
    var products: [[Matrix]] = []
    for (blocks, count) in zip(squared, groupCounts) {
      sums.append(blocks[0].times(mean).map { Double(count) * $0 })
      products.append(
        blocks.enumerated().map { k, b in
          let samples = Double(count * (k == 0 ? 1 : 2))
          var product = samples * (b * covariance[k] * b + noiseVariance * b)
          if k == 0 {
            let shift = Matrix(rows: mean.count, columns: 1, storage: b.times(mean))
            product += Double(count) * (shift * shift.transposed)
          }
          return product
        })
    }
    return GroupMoments(sums: sums, products: products)
  }

  /// The fit to moments without noise, hence the model itself.
  package func estimate(on comm: Communicator) throws -> MeanAndCovariance {
    try MeanAndCovariance(
      moments: moments(noiseVariance: 1e-13), model: image, noiseVariance: 1e-13, on: comm)
  }

  package func posterior(noiseVariance: Double = 1, on comm: Communicator) throws -> PosteriorModel
  {
    try PosteriorModel(estimate: estimate(on: comm), model: image, noiseVariance: noiseVariance)
  }
}

/// Rows of all images, of which each rank holds its slice.
package func distributed(_ rows: [[Float]], layout: AngularLayout, on comm: Communicator) throws
  -> CoefficientStore
{
  let partition = Partition(of: rows.count, among: comm.size)
  return try CoefficientStore(
    SteerableCoefficients(
      layout: layout, rows: rows[partition.range(of: comm.rank)].flatMap { $0 }),
    partition: partition, on: comm)
}

/// Coefficients written as one vector of real numbers: for each block the real parts and, for k > 0,
/// then the imaginary parts. Rotation, reflection and covariances are explicit matrices.
package struct RealCoordinates {
  package let layout: AngularLayout
  package let dimension: Int

  package init(_ layout: AngularLayout) {
    self.layout = layout
    dimension = zip(layout.frequencies, 0..<layout.blockCount).reduce(0) {
      $0 + layout.components(ofBlock: $1.1).count * ($1.0 == 0 ? 1 : 2)
    }
  }

  /// Calls `body` for each block with its frequency, its size and where its real part starts.
  private func forEachBlock(_ body: (_ block: Int, _ k: Int, _ size: Int, _ start: Int) -> Void) {
    var start = 0
    for (block, k) in layout.frequencies.enumerated() {
      let size = layout.components(ofBlock: block).count
      body(block, k, size, start)
      start += size * (k == 0 ? 1 : 2)
    }
  }

  /// The image turned by `angle` from columns towards rows, after its rows are reversed if asked.
  package func alignment(_ angle: Double, reflected: Bool) -> Matrix {
    var matrix = Matrix(rows: dimension, columns: dimension)
    forEachBlock { _, k, size, start in
      let (c, s) = (cos(Double(k) * angle), sin(Double(k) * angle))
      let mirror: Double = reflected ? -1 : 1
      for i in start..<start + size {
        matrix[i, i] = c
        if k > 0 {
          matrix[i, i + size] = -s * mirror
          matrix[i + size, i] = s
          matrix[i + size, i + size] = c * mirror
        }
      }
    }
    return matrix
  }

  /// The image aligned.
  package func matrix(_ alignment: Alignment) -> Matrix {
    self.alignment(Double(alignment.rotation), reflected: alignment.isReflected)
  }

  /// The same block for real and imaginary parts.
  package func matrix(_ blocks: [Matrix]) -> Matrix {
    var matrix = Matrix(rows: dimension, columns: dimension)
    forEachBlock { block, k, size, start in
      for part in 0..<(k == 0 ? 1 : 2) {
        for i in 0..<size {
          for j in 0..<size {
            matrix[start + part * size + i, start + part * size + j] = blocks[block][i, j]
          }
        }
      }
    }
    return matrix
  }

  /// From component-major pairs (re, im).
  package func vector(_ pairs: [Float]) -> [Double] {
    var vector = [Double](repeating: 0, count: dimension)
    forEachBlock { block, k, size, start in
      for (i, component) in layout.components(ofBlock: block).enumerated() {
        vector[start + i] = Double(pairs[2 * component])
        if k > 0 { vector[start + size + i] = Double(pairs[2 * component + 1]) }
      }
    }
    return vector
  }

  /// To component-major pairs (re, im).
  package func pairs(_ vector: [Double]) -> [Float] {
    var pairs = [Float](repeating: 0, count: layout.componentCount * 2)
    forEachBlock { block, k, size, start in
      for (i, component) in layout.components(ofBlock: block).enumerated() {
        pairs[2 * component] = Float(vector[start + i])
        if k > 0 { pairs[2 * component + 1] = Float(vector[start + size + i]) }
      }
    }
    return pairs
  }
}

/// The log density of N(0, covariance) at `vector`, without the powers of 2 pi.
package func logDensity(_ vector: [Double], _ covariance: Matrix) throws -> Double {
  let factor = try Cholesky(covariance)
  let column = Matrix(rows: vector.count, columns: 1, storage: vector)
  let solved = try factor.solve(column)
  return -0.5 * (factor.logDeterminant + column.innerProduct(solved))
}

/// Statistics b of images whose clean coordinates are turned and reflected copies of a few: image i
/// shows clean image i mod `distinct`, in group i mod 3.
package func relatedStatistics(_ posterior: PosteriorModel, count: Int, distinct: Int, seed: UInt64)
  throws -> [[Float]]
{
  let real = RealCoordinates(posterior.layout)
  let angles = randomNumbers(count, seed: seed + 1)
  return try (0..<count).map { image in
    let clean = randomNormals(real.dimension, seed: seed + 50 + UInt64(image % distinct))
    let turned = real.alignment(angles[image] * 3, reflected: image % 2 == 1).times(clean)
    let information = real.matrix(posterior.information[image % 3])
    let root = try SymmetricEigen(information).applying { $0.squareRoot() }
    let noise = randomNormals(real.dimension, seed: seed + 1000 + UInt64(image))
    let y = zip(root.times(turned), noise).map(+)
    return real.pairs(root.times(y))
  }
}
