import Foundation
import LinearAlgebra
import MPI
import TestSupport
import Testing

@testable import ClassAveraging
@testable import ImageModel

@Suite(.serialized, .timeLimit(.minutes(2)))
struct ClassPosteriorTests {
  @Test("Members' statistics and informations add up, each turned by its own matrix")
  func agreesWithDenseSolve() throws {
    let posterior = try SmallModel(seed: 14).posterior(noiseVariance: 0.5, on: testWorld())
    let real = RealCoordinates(posterior.layout)
    let images = try relatedStatistics(posterior, count: 7, distinct: 3, seed: 4)
    let angles = randomNumbers(7, seed: 8).map { Float($0 * 3) }
    var members = ClassPosterior(posterior)
    // What was there before does not stay.
    members.add(images[3], group: 1, Alignment(rotation: 2, isReflected: true))
    members.clear()
    var precision = Matrix.identity(real.dimension)
    var sum = [Double](repeating: 0, count: real.dimension)
    for (i, b) in images.enumerated() {
      let alignment = Alignment(rotation: angles[i], isReflected: i % 4 == 1)
      members.add(b, group: i % 3, alignment)
      let turn = real.matrix(alignment)
      precision += turn * real.matrix(posterior.information[i % 3]) * turn.transposed
      sum = zip(sum, turn.times(real.vector(b))).map(+)
    }
    let exact = try Cholesky(precision.symmetrized).solve(
      Matrix(rows: sum.count, columns: 1, storage: sum))
    let mean = real.vector(try members.mean())
    for (mine, other) in zip(mean, exact.storage) { #expect(abs(mine - other) < 1e-5) }
  }

  @Test("Turned copies of one image are that image with so many times the information")
  func copies() throws {
    let posterior = try SmallModel(seed: 14).posterior(on: testWorld())
    let real = RealCoordinates(posterior.layout)
    let b = try relatedStatistics(posterior, count: 3, distinct: 3, seed: 6)[2]
    var members = ClassPosterior(posterior)
    members.add(b, group: 2, .identity)
    for (angle, reflected) in [(0.4, false), (-2.0, true), (1.3, true), (3.0, false)] {
      // The copy is what the alignment's inverse makes of the image.
      let turn = real.alignment(angle, reflected: reflected)
      let copy = real.pairs(turn.transposed.times(real.vector(b)))
      members.add(copy, group: 2, Alignment(rotation: Float(angle), isReflected: reflected))
    }
    let information = real.matrix(posterior.information[2])
    let exact = try Cholesky(5 * information + .identity(real.dimension)).solve(
      Matrix(rows: real.dimension, columns: 1, storage: real.vector(b).map { 5 * $0 }))
    let mean = real.vector(try members.mean())
    for (mine, other) in zip(mean, exact.storage) { #expect(abs(mine - other) < 1e-5) }
  }
}

@Suite(.serialized, .timeLimit(.minutes(2)))
struct ImageSynthesisTests {
  @Test("Images are sums of the pixel functions")
  func agreesWithPixelFunctions() throws {
    let small = SmallModel(seed: 17)
    let posterior = try small.posterior(on: testWorld())
    let synthesis = ImageSynthesis(posterior, basis: small.basis)
    let functions = pixelFunctions(small.basis)
    let width = posterior.layout.componentCount * 2
    let coordinates = randomNormals(3 * width, seed: 2).map { Float($0) }
    let images = synthesis.images(of: coordinates, count: 3)
    let pixels = small.basis.size * small.basis.size
    #expect(images.count == 3 * pixels)
    for image in 0..<3 {
      var expected = [Double](repeating: 0, count: pixels)
      for k in small.basis.layout.frequencies {
        let components = small.basis.layout.components(ofBlock: k)
        for part in 0..<(k == 0 ? 1 : 2) {
          var coefficients = posterior.synthesis[k].times(
            components.map { Double(coordinates[image * width + 2 * $0 + part]) })
          if k == 0 { coefficients = zip(coefficients, small.mean).map(+) }
          for (value, component) in zip(coefficients, components) {
            for pixel in 0..<pixels { expected[pixel] += value * functions[component][part][pixel] }
          }
        }
      }
      for pixel in 0..<pixels {
        #expect(abs(Double(images[image * pixels + pixel]) - expected[pixel]) < 1e-5)
      }
    }
  }

  @Test("Eigenimages are orthonormal, largest variance first")
  func eigenimages() throws {
    var small = SmallModel(seed: 17)
    // The largest is a pair in block 3, then one in block 0.
    small.covariance[3] = Matrix.diagonal([90])
    small.covariance[0] = Matrix.diagonal([50, 0.4, 0.3])
    let posterior = try small.posterior(on: testWorld())
    let synthesis = ImageSynthesis(posterior, basis: small.basis)
    let all = synthesis.eigenimages(posterior, limit: 100)
    #expect(all.count == RealCoordinates(posterior.layout).dimension)
    for (i, a) in all.enumerated() {
      for (j, b) in all.enumerated() where j <= i {
        let product = zip(a, b).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
        // The box cuts off tails of the functions, which live on the infinite grid.
        #expect(abs(product - (i == j ? 1 : 0)) < 0.005, "\(i), \(j): \(product)")
      }
    }
    let functions = pixelFunctions(small.basis)
    for (image, function) in zip(all, [functions[7][0], functions[7][1], functions[0][0]]) {
      let sign = zip(image, function).reduce(0.0) { $0 + Double($1.0) * $1.1 } < 0 ? -1.0 : 1.0
      for (mine, exact) in zip(image, function) { #expect(abs(Double(mine) - sign * exact) < 1e-4) }
    }
    let few = synthesis.eigenimages(posterior, limit: 2)
    #expect(few == Array(all.prefix(2)))
  }
}
