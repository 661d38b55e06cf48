/// Where random rotation matrices are not as uniform ones are: every element of these is uniform on (-1, 1), and two
/// are uncorrelated. Five standard errors; the largest distance of the distribution function from the uniform one
/// (Kolmogorov and Smirnov) is above 2 once in 1500 times.
/// - Parameter matrices: the nine elements of each.
package func deviationsFromUniformRotations(_ matrices: [[Double]]) -> [String] {
  let count = Double(matrices.count)
  let error = 5 / count.squareRoot()
  var found: [String] = []
  for i in 0..<9 {
    let mean = matrices.reduce(0) { $0 + $1[i] } / count
    if !(abs(mean) < error / 3.0.squareRoot()) {
      found.append("the mean of element \(i) is \(mean)")
    }
    for j in 0..<9 {
      let product = matrices.reduce(0) { $0 + $1[i] * $1[j] } / count
      if !(abs(product - (i == j ? 1.0 / 3 : 0)) < error / 3) {
        found.append("the mean product of elements \(i) and \(j) is \(product)")
      }
    }
    let sorted = matrices.map { $0[i] }.sorted()
    let distance = sorted.enumerated().map { abs(Double($0) / count - ($1 + 1) / 2) }.max()!
    if !(distance * count.squareRoot() < 2) {
      found.append("the distribution of element \(i) is off by \(distance)")
    }
  }
  return found
}
