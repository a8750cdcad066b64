"""Finds out what a list action does where its documentation is silent: about 20 requests, a finding for each question.

The survey knows a `RemoteList` and nothing else of the world. Findings contain no ids, names or times, because people
paste findings into bug reports.

The words
---------
question    what is asked about the list, as a value: a name, plain words, and the function that finds the answer.
finding     the answer to a question: a code for programs, a sentence for people, and facts.
reply       the answer to one request, as the questions see it. Questions share replies: no request is sent twice.
part        some characters of an id that is known, sent as a value of the ImageID filter.
"""
