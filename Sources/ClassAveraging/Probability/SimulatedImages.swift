import Execution
import ImageModel
import LinearAlgebra
import Volumes

/// Images like those of a run whose truth is known: projections of a volume like the run's particle, with the mean of
/// the run's clean images, its CTFs and its noise.
struct SimulatedImages {
  /// Clean images, Fourier-Bessel coefficients; this rank's slice.
  let clean: SteerableCoefficients
  /// Their statistics B^T A^T y = B_g a + sigma B_g^{1/2} n (method E.3).
  let statistics: SteerableCoefficients

  /// Images made by a thread before the observer is told: between them the run may be stopped.
  private static let chunk = 1024

  /// - Parameters:
  ///   - mean: of the clean images, in block k = 0 of the Fourier-Bessel basis.
  ///   - groups: the defocus group of every image.
  ///   - own: this rank's slice of the images.
  /// - Throws: `LAPACKError`.
  init(
    of particle: VolumeEstimate, mean: [Double], model: ImageModel, noiseVariance: Double,
    groups: [Int32], own: Range<Int>, seed: UInt64, threads: Int, observer: any StageObserver
  ) throws {
    let (volume, radial) = (particle.simulated, particle.radial)
    let layout = model.basis.layout
    let width = layout.componentCount * 2
    let roots = try model.squared.map { blocks in
      try blocks.map { block in
        try SymmetricEigen(block).applying { (noiseVariance * max(0, $0)).squareRoot() }
      }
    }
    var clean = [Float](repeating: 0, count: own.count * width)
    var statistics = clean
    for start in stride(from: 0, to: own.count, by: Self.chunk * threads) {
      let part = start..<min(start + Self.chunk * threads, own.count)
      WorkerPool(threads: threads, items: part.count) { ProjectionValues(volume) }
        .forEachRow(part, of: &clean, &statistics, width: width) { slice, at, clean, statistic in
          let image = own.lowerBound + at
          slice.fill(volume, orientation: RandomOrientation(image: image, seed: seed))
          let a = clean.baseAddress!
          let b = statistic.baseAddress!
          radial.expand(slice, into: a)
          for (i, mean) in mean.prefix(layout.components(ofBlock: 0).count).enumerated() {
            a[2 * i] += Float(mean)
          }
          let noise = NormalNumbers(seed: seed, image: image, count: layout.componentCount)
          let group = Int(groups[image])
          for k in 0..<layout.blockCount {
            let components = layout.components(ofBlock: k)
            let (squared, root) = (model.squared[group][k], roots[group][k])
            for (i, row) in components.enumerated() {
              var (real, imaginary) = (0.0, 0.0)
              for (j, column) in components.enumerated() {
                let n = noise.pair(column)
                real += squared[i, j] * Double(a[2 * column]) + root[i, j] * n.0
                imaginary += squared[i, j] * Double(a[2 * column + 1]) + root[i, j] * n.1
              }
              b[2 * row] = Float(real)
              b[2 * row + 1] = k == 0 ? 0 : Float(imaginary)
            }
          }
        }
      try observer.stageAdvanced(to: part.upperBound)
    }
    self.clean = SteerableCoefficients(layout: layout, rows: clean)
    self.statistics = SteerableCoefficients(layout: layout, rows: statistics)
  }
}
