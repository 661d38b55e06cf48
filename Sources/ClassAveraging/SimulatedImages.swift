import LinearAlgebra
import MPI

/// Images like those of a run whose truth is known: projections of a random volume whose projections have the
/// mean and the covariance of the run's clean images, with the run's CTFs and noise.
///
/// What the covariance leaves open are rotations among the harmonics of one degree (Kam 1980): they are drawn
/// at random. The covariance is the debiased one, so that a model fitted to these images errs as the run's does.
struct SimulatedImages {
  /// Clean images, Fourier-Bessel coefficients; this rank's slice.
  let clean: SteerableCoefficients
  /// Their statistics B^T A^T y = B_g a + sigma B_g^{1/2} n (method E.3).
  let statistics: SteerableCoefficients
  /// Of the clean images' coefficients over all orientations, block by block.
  let covariance: [Matrix]

  /// Images made by a thread before the observer is told: between them the run may be stopped.
  private static let chunk = 1024

  /// - Parameters:
  ///   - groups: the defocus group of every image.
  ///   - own: this rank's slice of the images.
  /// - Throws: `LAPACKError`; `MPIError`.
  init(
    like estimate: MeanAndCovariance, model: ImageModel, noiseVariance: Double, groups: [Int32],
    own: Range<Int>, seed: UInt64, threads: Int, on comm: Communicator,
    observer: any StageObserver
  ) throws {
    let radial = try RadialCoordinates(of: estimate.debiased, basis: model.basis)
    let correlation = try ShellCorrelation(of: radial.covariances)
    covariance = radial.expand(correlation.covariances)
    // Equal on all ranks, even where their processors round differently.
    let volume = try SimulatedVolume(
      coefficients: observer.communicating {
        try comm.broadcast(SimulatedVolume.coefficients(drawnFrom: correlation, seed: seed))
      }, degree: correlation.degrees.count - 1, rank: radial.rank)
    let layout = model.basis.layout
    let width = layout.componentCount * 2
    let roots = try model.squared.map { blocks in
      try blocks.map { block in
        try SymmetricEigen(block).applying { (noiseVariance * max(0, $0)).squareRoot() }
      }
    }
    var clean = [Float](repeating: 0, count: own.count * width)
    var statistics = clean
    clean.withUnsafeMutableBufferPointer { clean in
      statistics.withUnsafeMutableBufferPointer { statistics in
        nonisolated(unsafe) let (clean, statistics) = (clean, statistics)
        for start in stride(from: 0, to: own.count, by: Self.chunk * threads) {
          let part = start..<min(start + Self.chunk * threads, own.count)
          parallelFor(part.count, threads: threads, state: { Box(SliceValues(volume)) }) {
            slice, offset in
            let at = part.lowerBound + offset
            let image = own.lowerBound + at
            slice.value.fill(volume, orientation: RandomOrientation(image: image, seed: seed))
            let a = clean.baseAddress! + at * width
            let b = statistics.baseAddress! + at * width
            radial.expand(slice.value, into: a)
            for (i, mean) in estimate.mean.prefix(layout.components(ofBlock: 0).count).enumerated()
            {
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
          observer.stageAdvanced(to: part.upperBound)
        }
      }
    }
    self.clean = SteerableCoefficients(layout: layout, rows: clean)
    self.statistics = SteerableCoefficients(layout: layout, rows: statistics)
  }
}
