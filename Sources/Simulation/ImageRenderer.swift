import Execution
import ParticleIO

/// Makes the images of a simulation one by one; one per rank.
final class ImageRenderer {
  let boxSize: Int
  private let parameters: SimulationParameters
  private let projector: SliceProjector
  /// The CTF of each defocus group by kx^2 + ky^2 in cycles per box.
  private let filters: [[Double]]

  init(_ parameters: SimulationParameters, boxSize: Int) {
    self.boxSize = boxSize
    self.parameters = parameters
    projector = SliceProjector(boxSize: boxSize)
    // Groups beyond the number of images are empty.
    filters = (0..<min(parameters.defocusGroups, parameters.images)).map { group in
      let ctf = ContrastTransferFunction(parameters.ctf(ofGroup: group))
      return (0..<SliceProjector.ringCount(boxSize: boxSize)).map { ring in
        ctf.radialValue(at: Double(ring).squareRoot() / (Double(boxSize) * parameters.pixelSize))
      }
    }
  }

  /// The sum of an image's pixels, and of their squares, CTF-filtered and without noise.
  func moments(_ image: Int, _ spectrum: borrowing VolumeSpectrum) -> (sum: Double, squares: Double)
  {
    projector.cut(spectrum, .random(image: image, seed: parameters.seed))
    return projector.moments(filter: filters[parameters.defocusGroup(ofImage: image)])
  }

  /// Consecutive particle images, and their projections alone, row-major, one after the other.
  func render(_ images: Range<Int>, _ spectrum: borrowing VolumeSpectrum, scale: Double) -> (
    particles: [Float], clean: [Float]
  ) {
    let pixels = boxSize * boxSize
    var particles = [Float](repeating: 0, count: images.count * pixels)
    var clean = particles
    let buffer = UnsafeMutableBufferPointer<Double>.allocate(capacity: 2 * pixels)
    defer { buffer.deallocate() }
    let signal = buffer.baseAddress!
    let noise = UnsafeMutableBufferPointer(rebasing: buffer[pixels...])
    for (position, image) in images.enumerated() {
      let start = position * pixels
      projector.cut(spectrum, .random(image: image, seed: parameters.seed))
      projector.synthesise(filter: nil, scale: scale, into: signal)
      for pixel in 0..<pixels { clean[start + pixel] = Float(signal[pixel]) }
      projector.synthesise(
        filter: filters[parameters.defocusGroup(ofImage: image)], scale: scale, into: signal)
      RandomStream(seed: parameters.seed, image: image, purpose: .noise).fillNormals(noise)
      for pixel in 0..<pixels { particles[start + pixel] = Float(signal[pixel] + noise[pixel]) }
    }
    return (particles, clean)
  }
}
