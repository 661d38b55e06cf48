import Execution
import Foundation
import LinearAlgebra

/// The Gaussian model of the clean images in principal coordinates, where the prior is N(0, I) and
/// everything is r_k x r_k (method E.4).
///
/// An image enters by its sufficient statistic b = D^{1/2} U^T (B^T A^T y - B_g mu) / sigma^2 (linear;
/// a rotation is a phase per angular frequency) and its group's F_g. The posterior of the clean image
/// has covariance L_g = (I + F_g)^{-1} and mean alpha = L_g b (paper eq. 9, 10).
public struct PosteriorModel: Sendable {
  /// Angular blocks of the principal coordinates: r_k components in block k; blocks without any are
  /// left out.
  public let layout: AngularLayout
  /// The Fourier-Bessel block that each block of `layout` comes from.
  public let sourceLayout: AngularLayout
  /// mu, in block k = 0 of the Fourier-Bessel basis.
  public let mean: [Double]
  /// U D^{1/2} of each block, p_k x r_k: from principal coordinates to Fourier-Bessel coefficients.
  public let synthesis: [Matrix]
  /// D of each block, descending.
  public let eigenvalues: [[Double]]
  /// F_g of each block, `information[g][block]`, r_k x r_k.
  public let information: [[Matrix]]
  /// L_g = (I + F_g)^{-1} of each block, `covariance[g][block]`.
  public let covariance: [[Matrix]]
  /// sigma^2 of the white noise of a pixel.
  public let noiseVariance: Double
  /// B_g mu of each group: what the statistic of the mean image is, block k = 0.
  let meanStatistic: [[Double]]

  /// - Throws: `LAPACKError` where a matrix cannot be decomposed.
  public init(estimate: MeanAndCovariance, model: ImageModel, noiseVariance: Double) throws {
    sourceLayout = model.basis.layout
    mean = estimate.mean
    self.noiseVariance = noiseVariance
    var frequencies: [Int] = []
    var synthesis: [Matrix] = []
    var eigenvalues: [[Double]] = []
    for block in 0..<sourceLayout.blockCount {
      let eigen = try SymmetricEigen(estimate.covariance[block])
      let floor = (eigen.values.first ?? 0) * 1e-9
      let rank = min(estimate.ranks[block], eigen.values.count { $0 > floor && $0 > 0 })
      if rank == 0 { continue }
      let values = Array(eigen.values.prefix(rank))
      var vectors = eigen.vectors.leadingColumns(rank)
      for j in 0..<rank {
        for i in 0..<vectors.rows { vectors[i, j] *= values[j].squareRoot() }
      }
      frequencies.append(sourceLayout.frequencies[block])
      synthesis.append(vectors)
      eigenvalues.append(values)
    }
    layout = AngularLayout(frequencies: frequencies, counts: synthesis.map(\.columns))
    self.synthesis = synthesis
    self.eigenvalues = eigenvalues
    information = model.squared.map { blocks in
      zip(frequencies, synthesis).map { k, vectors in
        (1 / noiseVariance) * (vectors.transposed * blocks[k] * vectors).symmetrized
      }
    }
    covariance = try information.map { blocks in
      try blocks.map { try Cholesky($0 + .identity($0.rows)).inverse() }
    }
    let mean = estimate.mean
    meanStatistic = model.squared.map { $0[0].times(mean) }
  }

  /// The number of groups.
  public var groupCount: Int { information.count }

  /// b of this rank's images, from their Fourier-Bessel statistics B^T A^T y.
  /// - Parameters:
  ///   - statistics: B^T A^T y of each image.
  ///   - groups: the defocus group of each image.
  public func sufficientStatistics(
    of statistics: SteerableCoefficients, groups: ArraySlice<Int32>
  ) -> SteerableCoefficients {
    var result = SteerableCoefficients(layout: layout, count: statistics.count)
    for group in 0..<statistics.laneGroupCount {
      for block in 0..<layout.blockCount {
        let k = layout.frequencies[block]
        let source = sourceLayout.components(ofBlock: k)
        var input = source.flatMap { component -> [SIMD16<Float>] in
          let at = (group * sourceLayout.componentCount + component) * 2
          return [statistics.lanes[at], statistics.lanes[at + 1]]
        }
        if k == 0 {
          for lane in 0..<16 where group * 16 + lane < statistics.count {
            let mean = meanStatistic[Int(groups[groups.startIndex + group * 16 + lane])]
            for q in mean.indices { input[2 * q][lane] -= Float(mean[q]) }
          }
        }
        let vectors = synthesis[block]
        for (s, component) in layout.components(ofBlock: block).enumerated() {
          var real = SIMD16<Float>.zero
          var imaginary = SIMD16<Float>.zero
          for q in 0..<source.count {
            let weight = SIMD16(repeating: Float(vectors[q, s] / noiseVariance))
            real.addProduct(weight, input[2 * q])
            imaginary.addProduct(weight, input[2 * q + 1])
          }
          let at = (group * layout.componentCount + component) * 2
          result.lanes[at] = real
          result.lanes[at + 1] = imaginary
        }
      }
    }
    return result
  }

  /// The principal coordinates alpha = D^{-1/2} U^T a of a clean image, (re, im) of each component.
  /// - Parameter a: its Fourier-Bessel coefficients less the mean, component-major, (re, im).
  package func principalCoordinates(of a: [Float]) -> [Float] {
    var result = [Float](repeating: 0, count: 2 * layout.componentCount)
    for (block, k) in layout.frequencies.enumerated() {
      for (s, component) in layout.components(ofBlock: block).enumerated() {
        for part in 0..<2 {
          var sum = 0.0
          for (q, source) in sourceLayout.components(ofBlock: k).enumerated() {
            sum += synthesis[block][q, s] * Double(a[2 * source + part])
          }
          result[2 * component + part] = Float(sum / eigenvalues[block][s])
        }
      }
    }
    return result
  }

  /// The posterior means alpha = L_g b of images (paper eq. 4 and 10).
  /// - Parameters:
  ///   - statistics: b of each image.
  ///   - groups: the defocus group of each image.
  ///   - threads: change nothing in the result.
  public func posteriorMeans(
    of statistics: SteerableCoefficients, groups: ArraySlice<Int32>, threads: Int = 1
  ) -> SteerableCoefficients {
    var result = statistics
    let (size, width) = (SteerableCoefficients.laneGroupSize, 2 * layout.componentCount)
    // A thread has whole lane groups: images side by side share vectors.
    WorkerPool(threads: threads, items: statistics.laneGroupCount).forEachRow(
      0..<statistics.laneGroupCount, of: &result.lanes, width: width
    ) { _, group, lanes in
      for lane in 0..<min(size, statistics.count - group * size) {
        let image = group * size + lane
        let covariance = covariance[Int(groups[groups.startIndex + image])]
        for block in 0..<layout.blockCount {
          let components = layout.components(ofBlock: block)
          for (row, component) in components.enumerated() {
            var (real, imaginary) = (0.0, 0.0)
            for (column, other) in components.enumerated() {
              let z = statistics.value(image: image, component: other)
              real += covariance[block][row, column] * Double(z.re)
              imaginary += covariance[block][row, column] * Double(z.im)
            }
            lanes[2 * component][lane] = Float(real)
            lanes[2 * component + 1][lane] = Float(imaginary)
          }
        }
      }
    }
    return result
  }
}
